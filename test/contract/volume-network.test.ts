import * as docker from "@pulumi/docker";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { IMAGE } from "./container-cases.ts";
import { docker as cli, inspect, sweep } from "./docker-cli.ts";
import { ContractTable } from "./table.ts";
import { type Program, TestStack } from "./test-stack.ts";

const table = new ContractTable();
let testStack: TestStack;

function write(volume: string, value: string): void {
  cli(
    "run",
    "--rm",
    "-v",
    `${volume}:/v`,
    "--entrypoint",
    "sh",
    IMAGE,
    "-c",
    `echo ${value} > /v/data`,
  );
}

function read(volume: string): string {
  return cli(
    "run",
    "--rm",
    "-v",
    `${volume}:/v`,
    "--entrypoint",
    "sh",
    IMAGE,
    "-c",
    "cat /v/data 2>/dev/null || echo lost",
  );
}

const label = (value: string) => [{ label: "stack", value }];

beforeAll(async () => {
  sweep("pgv-");
  testStack = await TestStack.open("pgv");
});

afterAll(async () => {
  await testStack.close();
  table.print("docker.Volume and docker.Network");
  sweep("pgv-");
});

describe("docker.Volume", () => {
  const TYPE = "docker.Volume";
  const volume = (name: string, args: docker.VolumeArgs, options = {}): Program => {
    return async () => {
      new docker.Volume(name, args, options);
    };
  };

  test("up creates it, and a second up changes nothing", async () => {
    const program = volume("data", { name: "pgv-data", labels: label("one") });
    const made = await testStack.up(program, "data");
    const again = await testStack.up(program, "data");
    table.add({
      type: TYPE,
      change: "(new)",
      engine: `${made.op}, then ${again.op}`,
      real: "there",
    });
    expect([made.error, made.op, again.op]).toEqual(["", "create", "same"]);
    expect(inspect("volume", "pgv-data").Labels).toEqual({ stack: "one" });
  });

  test("a label change replaces it, and the data is lost", async () => {
    write("pgv-data", "precious");
    const changed = await testStack.up(
      volume("data", { name: "pgv-data", labels: label("two") }),
      "data",
    );
    const left = read("pgv-data");
    table.add({
      type: TYPE,
      change: "labels",
      engine: `${changed.op}${changed.deletedFirst ? " (old first)" : ""} ${changed.paths.join(" ")}`,
      real: `data ${left}`,
    });
    expect(changed.op).toBe("replace");
    expect(left).toBe("lost");
  });

  test("another resource name for the same volume name loses the data", async () => {
    write("pgv-data", "precious");
    const renamed = await testStack.up(
      volume("renamed", { name: "pgv-data", labels: label("two") }),
      "renamed",
    );
    const found = inspect("volume", "pgv-data");
    const left = found ? read("pgv-data") : "lost, volume gone";
    table.add({ type: TYPE, change: "resource renamed", engine: renamed.op, real: `data ${left}` });
    expect(left).toContain("lost");
  });

  test("retainOnDelete keeps it, and the next create adopts it without an error", async () => {
    const program = volume("kept", { name: "pgv-kept" }, { retainOnDelete: true });
    await testStack.up(program, "kept");
    write("pgv-kept", "precious");
    await testStack.up(async () => {}, "kept");
    expect(read("pgv-kept")).toBe("precious");
    const adopted = await testStack.up(program, "kept");
    table.add({
      type: TYPE,
      change: "created where one exists",
      engine: adopted.op,
      real: `adopted, data ${read("pgv-kept")}`,
    });
    expect(adopted.op).toBe("create");
    expect(read("pgv-kept")).toBe("precious");
  });

  test("only a refresh shows that it was removed by hand", async () => {
    const program = volume("kept", { name: "pgv-kept" }, { retainOnDelete: true });
    cli("volume", "rm", "pgv-kept");
    const blind = await testStack.preview(program, "kept");
    await testStack.refresh(program, "kept");
    const seen = await testStack.preview(program, "kept");
    table.add({
      type: TYPE,
      change: "removed by hand",
      engine: `${blind.op}; after refresh ${seen.op}`,
      real: "gone",
    });
    expect([blind.op, seen.op]).toEqual(["same", "create"]);
  });

  test("without a name it gets a generated one", async () => {
    const made = await testStack.up(
      async () => ({ name: new docker.Volume("pgv-auto").name }),
      "pgv-auto",
    );
    expect(made.outputs.name).toMatch(/^pgv-auto-[0-9a-f]{7}$/);
    const again = await testStack.up(
      async () => ({ name: new docker.Volume("pgv-auto").name }),
      "pgv-auto",
    );
    table.add({
      type: TYPE,
      change: "without a name",
      engine: again.op,
      real: "name generated once",
    });
    expect([again.op, again.outputs.name]).toEqual(["same", made.outputs.name]);
  });
});

describe("docker.Network", () => {
  const TYPE = "docker.Network";
  const net = (args: Partial<docker.NetworkArgs>): Program => {
    return async () => {
      new docker.Network("net", { name: "pgv-net", ...args });
    };
  };

  test("up creates it, and a second up changes nothing", async () => {
    const made = await testStack.up(net({ labels: label("one") }), "net");
    const again = await testStack.up(net({ labels: label("one") }), "net");
    table.add({
      type: TYPE,
      change: "(new)",
      engine: `${made.op}, then ${again.op}`,
      real: "there",
    });
    expect([made.error, made.op, again.op]).toEqual(["", "create", "same"]);
  });

  test.each([
    { change: "labels", args: { labels: label("two") } },
    { change: "internal", args: { labels: label("two"), internal: true } },
  ])("a change of $change replaces it", async ({ change, args }) => {
    const before = inspect("network", "pgv-net");
    const result = await testStack.up(net(args), "net");
    const after = inspect("network", "pgv-net");
    table.add({
      type: TYPE,
      change,
      engine: `${result.op}${result.deletedFirst ? " (old first)" : ""} ${result.paths.join(" ")}`,
      real: after.Id === before.Id ? "unchanged" : "new network",
    });
    expect(result.error).toBe("");
    expect(result.op).toBe("replace");
    expect(after.Id).not.toBe(before.Id);
  });

  test("fails for the name of another network, which stays", async () => {
    cli("network", "create", "pgv-taken");
    const before = inspect("network", "pgv-taken").Id;
    const program: Program = async () => {
      new docker.Network("net", { name: "pgv-net", labels: label("two"), internal: true });
      new docker.Network("taken", { name: "pgv-taken" });
    };
    const result = await testStack.up(program, "taken");
    table.add({
      type: TYPE,
      change: "name taken",
      engine: result.op,
      real: "the other one stays",
    });
    expect(result.text).toContain("network with name pgv-taken already exists");
    expect(inspect("network", "pgv-taken").Id).toBe(before);
    cli("network", "rm", "pgv-taken");
  });

  test("only a refresh shows that it was removed by hand", async () => {
    const program = net({ labels: label("two"), internal: true });
    cli("network", "rm", "pgv-net");
    const blind = await testStack.preview(program, "net");
    await testStack.refresh(program, "net");
    const seen = await testStack.preview(program, "net");
    table.add({
      type: TYPE,
      change: "removed by hand",
      engine: `${blind.op}; after refresh ${seen.op}`,
      real: "gone",
    });
    expect([blind.op, seen.op]).toEqual(["same", "create"]);
  });

  test("a create reads it after two seconds, and until then only Docker knows it", async () => {
    const slow = await TestStack.open("pgv-slow", {}, { env: { PGSTEAD_OFFICIAL_PACE: "1" } });
    const creating = slow.up(net({ name: "pgv-slow" }), "net");
    while (!inspect("network", "pgv-slow")) await new Promise((resolve) => setTimeout(resolve, 50));
    const seen = Date.now();
    const { error, recordedAt = 0 } = await creating;
    await slow.close();
    const seconds = (recordedAt - seen) / 1000;
    table.add({
      type: TYPE,
      change: "(new), until it is recorded",
      engine: `${seconds.toFixed(1)} s`,
      real: "there",
    });
    expect(error).toBe("");
    expect(seconds).toBeGreaterThan(1.8);
  });
});
