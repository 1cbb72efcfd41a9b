import { execFileSync } from "node:child_process";
import * as docker from "@pulumi/docker";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { IMAGE } from "./container-cases.ts";
import { docker as cli, inspect, sweep } from "./docker-cli.ts";
import { Bench, type Program } from "./stack.ts";
import { ContractTable } from "./table.ts";

const TYPE = "docker.Container";
const table = new ContractTable();
let bench: Bench;

const sleeper = { image: IMAGE, entrypoints: ["sleep"], command: ["infinity"] };

function box(args: Partial<docker.ContainerArgs>): Program {
  return async () => {
    new docker.Container("box", { ...sleeper, ...args });
  };
}

beforeAll(async () => {
  sweep("pgl-");
  bench = await Bench.open("pgl");
});

afterAll(async () => {
  await bench.close();
  table.print("docker.Container, its life");
  sweep("pgl-");
});

describe("the life of a docker.Container", () => {
  test("a failed wait leaves it running, and nothing later mends or replaces it", async () => {
    const healthcheck = { tests: ["CMD", "false"], interval: "1s", timeout: "1s", retries: 1 };
    const program = box({ name: "pgl-wait", healthcheck, wait: true, waitTimeout: 3 });
    const failed = await bench.up(program, "box");
    expect(failed.op).toBe("failed");
    expect(failed.text).toContain("container failed to be in healthy state");
    const before = inspect("container", "pgl-wait");
    expect(before.State.Running).toBe(true);
    const next = await bench.up(program, "box");
    await bench.refresh(program, "box");
    const last = await bench.up(program, "box");
    table.add({
      type: TYPE,
      change: "after a failed wait",
      engine: `${next.op} ${next.paths.join(" ")}; after refresh ${last.op}`,
      real: inspect("container", "pgl-wait").Id === before.Id ? "unchanged" : "new container",
    });
    expect([next.op, next.paths, last.op]).toEqual(["update", ["networkDatas"], "same"]);
    expect(inspect("container", "pgl-wait").Id).toBe(before.Id);
  });

  test("a name that a stranger holds fails", async () => {
    cli("run", "-d", "--name", "pgl-stranger", "--entrypoint", "sleep", IMAGE, "infinity");
    const result = await bench.up(box({ name: "pgl-stranger" }), "box");
    table.add({ type: TYPE, change: "name taken", engine: result.op, real: "the stranger stays" });
    expect(result.text).toContain('The container name "/pgl-stranger" is already in use');
    expect(inspect("container", "pgl-stranger").State.Running).toBe(true);
    cli("rm", "-f", "pgl-stranger");
  });

  test.each([
    { grace: undefined, code: 137, seen: "killed" },
    { grace: 5, code: 0, seen: "clean stop" },
  ])("removal with a grace of $grace ends in exit code $code", async ({ grace, code, seen }) => {
    // A clean stop takes its second, so that a kill right behind the signal cannot be taken for one.
    const script = "trap 'sleep 1; exit 0' INT TERM; while :; do sleep 0.1; done";
    const args = { name: "pgl-stop", entrypoints: ["bash", "-c"], command: [script] };
    // Linux sends no signal to a first process that has not asked for it, so the trap must stand first.
    await bench.up(box({ ...args, destroyGraceSeconds: grace }), "box");
    await new Promise((resolve) => setTimeout(resolve, 500));
    const { Id: id } = inspect("container", "pgl-stop");
    const since = String(Math.floor(Date.now() / 1000) - 1);
    await bench.up(async () => {}, "box");
    const until = String(Math.floor(Date.now() / 1000) + 1);
    const filters = ["--filter", `container=${id}`, "--filter", "event=die"];
    const events = cli(
      "events",
      "--since",
      since,
      "--until",
      until,
      ...filters,
      "--format",
      "{{json .Actor.Attributes}}",
    );
    const exitCode = Number(JSON.parse(events.split("\n")[0]!).exitCode);
    table.add({
      type: TYPE,
      change: `removed, destroyGraceSeconds ${grace ?? "-"}`,
      engine: "delete",
      real: seen,
    });
    expect(exitCode).toBe(code);
  });

  test("a container that is never started takes uploads into a mounted volume", async () => {
    const program: Program = async () => {
      const volume = new docker.Volume("files", { name: "pgl-files" });
      new docker.Container("box", {
        ...sleeper,
        name: "pgl-writer",
        start: false,
        mustRun: false,
        mounts: [{ type: "volume", source: volume.name, target: "/files" }],
        uploads: [
          { file: "/files/a/token", content: "s3cret", permissions: "0400" },
          { file: "/files/run.sh", content: "#!/bin/sh\n", executable: true },
        ],
      });
    };
    const made = await bench.up(program, "box");
    expect(made.error).toBe("");
    expect(inspect("container", "pgl-writer").State.Status).toBe("created");
    const listing = cli(
      "run",
      "--rm",
      "-v",
      "pgl-files:/f",
      "--entrypoint",
      "sh",
      IMAGE,
      "-c",
      "stat -c '%a %n' /f/a/token /f/run.sh; cat /f/a/token",
    );
    expect(listing).toBe("400 /f/a/token\n744 /f/run.sh\ns3cret");
    expect(JSON.stringify(inspect("container", "pgl-writer"))).not.toContain("s3cret");
    const again = await bench.up(program, "box");
    table.add({
      type: TYPE,
      change: "never started, with uploads",
      engine: again.op,
      real: "files in the volume",
    });
    expect(again.op).toBe("same");
  });

  test("uploads into a read-only container fail", async () => {
    const uploads = [{ file: "/token", content: "x" }];
    const result = await bench.up(box({ name: "pgl-ro", readOnly: true, uploads }), "box");
    table.add({
      type: TYPE,
      change: "uploads with readOnly",
      engine: result.op,
      real: "made, not started",
    });
    expect(result.text).toContain("Unable to upload volume content");
    await bench.up(async () => {}, "box");
  });

  test("memory without memorySwap never settles, nor capabilities without CAP_ once refreshed", async () => {
    const args = { name: "pgl-drift", memory: 64, capabilities: { drops: ["MKNOD"] } };
    await bench.up(box(args), "box");
    const next = await bench.preview(box(args), "box");
    await bench.refresh(box(args), "box");
    const refreshed = await bench.preview(box(args), "box");
    const shown = `${next.op} ${next.paths.join(" ")}; after refresh ${refreshed.op} ${refreshed.paths.join(" ")}`;
    table.add({
      type: TYPE,
      change: "memory alone, MKNOD",
      engine: shown,
      real: "changes for ever",
    });
    expect(next.paths).toContain("memorySwap");
    expect([refreshed.op, refreshed.paths]).toEqual([
      "replace",
      ["capabilities.drops[0]", "memorySwap"],
    ]);
  });

  test("joins networks by alias and answers there", async () => {
    const program: Program = async () => {
      const network = new docker.Network("net", { name: "pgl-net" });
      const networksAdvanced = [{ name: network.name, aliases: ["here"] }];
      new docker.Container("box", {
        ...sleeper,
        name: "pgl-alias",
        networksAdvanced,
        destroyGraceSeconds: 1,
      });
    };
    expect((await bench.up(program, "box")).error).toBe("");
    const address = cli(
      "run",
      "--rm",
      "--network",
      "pgl-net",
      "--entrypoint",
      "getent",
      IMAGE,
      "hosts",
      "here",
    );
    expect(address).toMatch(/^172\.|^192\./);
    expect(Object.keys(inspect("container", "pgl-alias").NetworkSettings.Networks)).toEqual([
      "pgl-net",
    ]);
    const again = await bench.up(program, "box");
    table.add({
      type: TYPE,
      change: "on a network of ours",
      engine: again.op,
      real: "reached by alias",
    });
    expect(again.op).toBe("same");
  });

  test("a secret in envs is encrypted in the state and plain in docker inspect", async () => {
    const { secret } = await import("@pulumi/pulumi");
    const program: Program = async () => {
      new docker.Container("box", {
        ...sleeper,
        name: "pgl-secret",
        envs: [secret("TOKEN=hidden-one")],
      });
    };
    await bench.up(program, "box");
    const shown = JSON.stringify(inspect("container", "pgl-secret").Config.Env);
    table.add({
      type: TYPE,
      change: "a secret in envs",
      engine: "encrypted in state",
      real: "plain in inspect",
    });
    expect(bench.state()).not.toContain("hidden-one");
    expect(shown).toContain("hidden-one");
  });

  test("an engine out of reach fails the preview", async () => {
    const program: Program = async () => {
      const provider = new docker.Provider("nowhere", { host: "unix:///nonexistent.sock" });
      new docker.Container("box", { ...sleeper, name: "pgl-none" }, { provider });
    };
    const result = await bench.preview(program, "box");
    table.add({
      type: TYPE,
      change: "engine out of reach",
      engine: `preview ${result.op}`,
      real: "-",
    });
    expect(result.op).toBe("failed");
    expect(result.text).toContain("failed to connect to any docker daemon");
  });
});

// The client must be there for any of this to mean something.
execFileSync("docker", ["version"], { stdio: "ignore" });
