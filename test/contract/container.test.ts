import * as docker from "@pulumi/docker";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { docker as cli, inspect, sweep } from "./docker-cli.ts";
import { Bench } from "./stack.ts";
import { ContractTable } from "./table.ts";

const NAME = "pgc-box";
const IMAGE = "pgstead-fixture/postgres:18-trixie";
const TYPE = "docker.Container";
const table = new ContractTable();
let bench: Bench;

// biome-ignore lint/suspicious/noExplicitAny: docker's inspect answer.
type Inspect = any;
type Args = Partial<docker.ContainerArgs>;

const base: Args = {
  image: IMAGE,
  name: NAME,
  command: ["sleep", "infinity"],
  entrypoints: ["tini", "--"],
  destroyGraceSeconds: 5,
  labels: [{ label: "stack", value: "contract" }],
  memory: 256,
  memorySwap: 256,
  healthcheck: { tests: ["CMD", "true"], interval: "1s", timeout: "1s", retries: 3 },
  capabilities: { drops: ["CAP_NET_RAW"] },
};

let current: Args = base;

function program(args: Args) {
  return async () => {
    new docker.Container("box", { ...args, image: args.image ?? IMAGE });
  };
}

interface Case {
  change: string;
  args: Args;
  engine: "update" | "replace" | "same";
  /** What of the real container is looked at, and what must be seen there afterwards. */
  look: (found: Inspect) => unknown;
  becomes: unknown;
}

const cases: Case[] = [
  { change: "nothing", args: {}, engine: "same", look: (c) => c.Name, becomes: `/${NAME}` },
  {
    change: "memory",
    args: { memory: 300, memorySwap: 300 },
    engine: "update",
    look: (c) => c.HostConfig.Memory,
    becomes: 300 << 20,
  },
  {
    change: "restart",
    args: { restart: "unless-stopped" },
    engine: "update",
    look: (c) => c.HostConfig.RestartPolicy.Name,
    becomes: "unless-stopped",
  },
  {
    change: "healthcheck",
    args: { healthcheck: { tests: ["CMD", "true"], interval: "2s", timeout: "1s", retries: 3 } },
    engine: "update",
    look: (c) => c.Config.Healthcheck.Interval,
    becomes: 1e9,
  },
  {
    change: "tmpfs",
    args: { tmpfs: { "/scratch": "size=8m" } },
    engine: "update",
    look: (c) => c.HostConfig.Tmpfs ?? null,
    becomes: null,
  },
  {
    change: "init",
    args: { init: true },
    engine: "update",
    look: (c) => c.HostConfig.Init,
    becomes: false,
  },
  {
    change: "destroyGraceSeconds",
    args: { destroyGraceSeconds: 4 },
    engine: "update",
    look: (c) => c.Name,
    becomes: `/${NAME}`,
  },
  {
    change: "stopTimeout",
    args: { stopTimeout: 7 },
    engine: "replace",
    look: (c) => c.Config.StopTimeout,
    becomes: 7,
  },
  {
    change: "shmSize",
    args: { shmSize: 96 },
    engine: "replace",
    look: (c) => c.HostConfig.ShmSize,
    becomes: 96 << 20,
  },
  {
    change: "logOpts",
    args: { logDriver: "json-file", logOpts: { "max-size": "1m" } },
    engine: "replace",
    look: (c) => c.HostConfig.LogConfig.Config["max-size"],
    becomes: "1m",
  },
  {
    change: "labels",
    args: { labels: [{ label: "stack", value: "other" }] },
    engine: "replace",
    look: (c) => c.Config.Labels.stack,
    becomes: "other",
  },
  {
    change: "envs",
    args: { envs: ["A=1"] },
    engine: "replace",
    look: (c) => c.Config.Env.includes("A=1"),
    becomes: true,
  },
  {
    change: "envs in another order",
    args: { envs: ["B=2", "A=1"] },
    engine: "replace",
    look: (c) => c.Config.Env.includes("B=2"),
    becomes: true,
  },
  {
    change: "capabilities",
    args: { capabilities: { drops: ["CAP_NET_RAW", "CAP_MKNOD"] } },
    engine: "replace",
    look: (c) => c.HostConfig.CapDrop.length,
    becomes: 2,
  },
  {
    change: "readOnly",
    args: { readOnly: true },
    engine: "replace",
    look: (c) => c.HostConfig.ReadonlyRootfs,
    becomes: true,
  },
  {
    change: "securityOpts",
    args: { securityOpts: ["no-new-privileges:true"] },
    engine: "replace",
    look: (c) => c.HostConfig.SecurityOpt[0],
    becomes: "no-new-privileges:true",
  },
  {
    change: "user",
    args: { user: "999:999" },
    engine: "replace",
    look: (c) => c.Config.User,
    becomes: "999:999",
  },
  {
    change: "ports",
    args: { ports: [{ internal: 5432, external: 15499, ip: "127.0.0.1" }] },
    engine: "replace",
    look: (c) => c.HostConfig.PortBindings["5432/tcp"][0].HostPort,
    becomes: "15499",
  },
  {
    change: "volumes",
    args: { volumes: [{ volumeName: "pgc-data", containerPath: "/data" }] },
    engine: "replace",
    look: (c) => c.HostConfig.Binds[0],
    becomes: "pgc-data:/data:rw",
  },
  {
    change: "mounts",
    args: { volumes: [], mounts: [{ type: "volume", source: "pgc-data", target: "/data" }] },
    engine: "replace",
    look: (c) => c.HostConfig.Mounts[0].Source,
    becomes: "pgc-data",
  },
  {
    change: "nothing, with all of these",
    args: {},
    engine: "same",
    look: (c) => c.Name,
    becomes: `/${NAME}`,
  },
];

describe("docker.Container", () => {
  beforeAll(async () => {
    sweep("pgc-");
    bench = await Bench.open("pgc");
    const made = await bench.up(program(base), "box");
    expect(made.error).toBe("");
    table.add({ type: TYPE, change: "(new)", engine: made.op, real: "running" });
    expect(made.op).toBe("create");
    expect(inspect("container", NAME).State.Running).toBe(true);
  });

  afterAll(async () => {
    await bench.close();
    expect(inspect("container", NAME)).toBeUndefined();
    table.add({ type: TYPE, change: "(removed from the program)", engine: "delete", real: "gone" });
    table.print("docker.Container, as seen on the engine");
    sweep("pgc-");
  });

  test.each(cases)("a change of $change: $engine", async (each) => {
    const before = inspect("container", NAME);
    current = { ...current, ...each.args };
    const preview = await bench.preview(program(current), "box");
    const result = await bench.up(program(current), "box");
    const after = inspect("container", NAME);
    const isNew = after?.Id !== before.Id;
    const changed = JSON.stringify(each.look(after)) !== JSON.stringify(each.look(before));
    table.add({
      type: TYPE,
      change: each.change,
      engine: `${result.op}${result.deletedFirst ? " (old first)" : ""} ${result.paths.join(" ")}`,
      real: isNew ? "new container" : changed ? "changed in place" : "unchanged",
    });
    expect(result.error).toBe("");
    expect(preview.op).toBe(each.engine);
    expect(result.op).toBe(each.engine);
    expect(each.look(after)).toEqual(each.becomes);
    expect(isNew).toBe(each.engine === "replace");
    // The name is fixed, so two cannot stand side by side.
    if (isNew) expect(result.deletedFirst).toBe(true);
  });

  test("a healthcheck that only the state has is found by a refresh", async () => {
    const refreshed = await bench.refresh(program(current), "box");
    table.add({ type: TYPE, change: "refresh", engine: refreshed.op, real: "unchanged" });
    expect(refreshed.error).toBe("");
  });

  test("a container removed by hand goes unnoticed without a refresh", async () => {
    cli("rm", "-f", NAME);
    const blind = await bench.preview(program(current), "box");
    table.add({ type: TYPE, change: "removed by hand", engine: blind.op, real: "gone, unnoticed" });
    expect(blind.op).toBe("same");
    await bench.refresh(program(current), "box");
    const seen = await bench.up(program(current), "box");
    table.add({
      type: TYPE,
      change: "the same, after a refresh",
      engine: seen.op,
      real: "new container",
    });
    expect(seen.op).toBe("create");
  });

  test("a stopped container is started by the next update after a refresh", async () => {
    cli("stop", "-t", "1", NAME);
    const id = inspect("container", NAME).Id;
    await bench.refresh(program(current), "box");
    const result = await bench.up(program(current), "box");
    const after = inspect("container", NAME);
    table.add({
      type: TYPE,
      change: "stopped by hand, refresh",
      engine: result.op,
      real: after.Id === id && after.State.Running ? "started again" : "not started",
    });
    expect(result.op).toBe("update");
    expect(after.State.Running).toBe(true);
  });
});
