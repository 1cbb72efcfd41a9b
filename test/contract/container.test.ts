import * as docker from "@pulumi/docker";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { type Args, base, cases, IMAGE, NAME } from "./container-cases.ts";
import { docker as cli, inspect, sweep } from "./docker-cli.ts";
import { ContractTable } from "./table.ts";
import { TestStack } from "./test-stack.ts";

const TYPE = "docker.Container";
const table = new ContractTable();
let testStack: TestStack;

function rebuild(tag: string): void {
  const id = cli("create", IMAGE);
  cli("commit", "--change", "ENV REBUILT=1", id, tag);
  cli("rm", id);
}

let current: Args = base;

function program(args: Args) {
  return async () => {
    new docker.Container("box", { ...args, image: args.image ?? IMAGE });
  };
}

describe("docker.Container", () => {
  beforeAll(async () => {
    sweep("pgc-");
    testStack = await TestStack.open("pgc");
    const made = await testStack.up(program(base), "box");
    expect(made.error).toBe("");
    table.add({ type: TYPE, change: "(new)", engine: made.op, real: "running" });
    expect(made.op).toBe("create");
    expect(inspect("container", NAME).State.Running).toBe(true);
  });

  afterAll(async () => {
    await testStack.close();
    expect(inspect("container", NAME)).toBeUndefined();
    table.add({ type: TYPE, change: "(removed from the program)", engine: "delete", real: "gone" });
    table.print("docker.Container, as seen on the engine");
    sweep("pgc-");
  });

  test.each(cases)("a change of $change: $engine", async (each) => {
    const before = inspect("container", NAME);
    current = { ...current, ...each.args };
    const preview = await testStack.preview(program(current), "box");
    const result = await testStack.up(program(current), "box");
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
    // The name is fixed, so both containers cannot exist at the same time.
    if (isNew) expect(result.deletedFirst).toBe(true);
  });

  test("a refresh finds a healthcheck that only the state has", async () => {
    const healthcheck = { tests: ["CMD", "true"], interval: "5s", timeout: "1s", retries: 3 };
    current = { ...current, healthcheck };
    expect((await testStack.up(program(current), "box")).op).toBe("update");
    const blind = await testStack.preview(program(current), "box");
    const refreshed = await testStack.refresh(program(current), "box");
    const seen = await testStack.preview(program(current), "box");
    const engine = `${blind.op}; after refresh ${seen.op}`;
    table.add({ type: TYPE, change: "healthcheck of the state", engine, real: "unchanged" });
    expect([blind.op, refreshed.error, seen.op]).toEqual(["same", "", "update"]);
    expect(seen.paths).toEqual(["healthcheck.interval"]);
  });

  test("only a refresh shows that a container was removed by hand", async () => {
    await testStack.up(program(current), "box");
    cli("rm", "-f", NAME);
    const blind = await testStack.preview(program(current), "box");
    table.add({ type: TYPE, change: "removed by hand", engine: blind.op, real: "gone, unnoticed" });
    expect(blind.op).toBe("same");
    await testStack.refresh(program(current), "box");
    const seen = await testStack.up(program(current), "box");
    table.add({
      type: TYPE,
      change: "the same, after a refresh",
      engine: seen.op,
      real: "new container",
    });
    expect(seen.op).toBe("create");
  });

  test.each([
    // A stopped container publishes no ports, and a change of ports replaces it.
    { with: "published ports", args: {}, op: "replace", real: "new container" },
    { with: "no published ports", args: { ports: [] }, op: "update", real: "started again" },
  ])("a stopped container with $with: $op after a refresh", async (each) => {
    current = { ...current, ...each.args };
    await testStack.up(program(current), "box");
    cli("stop", "-t", "1", NAME);
    const id = inspect("container", NAME).Id;
    await testStack.refresh(program(current), "box");
    const result = await testStack.up(program(current), "box");
    const after = inspect("container", NAME);
    const real = after.Id === id ? "started again" : "new container";
    table.add({ type: TYPE, change: `stopped, ${each.with}, refresh`, engine: result.op, real });
    expect(result.op).toBe(each.op);
    expect(real).toBe(each.real);
    expect(after.State.Running).toBe(true);
  });

  test("a container keeps the old image when its tag gets a new one", async () => {
    const tag = "pgc-image:latest";
    cli("tag", IMAGE, tag);
    current = { ...current, image: tag };
    await testStack.up(program(current), "box");
    const before = inspect("container", NAME);
    rebuild(tag);
    expect(inspect("image", tag).Id).not.toBe(before.Image);
    const result = await testStack.up(program(current), "box");
    table.add({
      type: TYPE,
      change: "image rebuilt, same tag",
      engine: result.op,
      real: "unchanged",
    });
    expect(result.op).toBe("same");
    expect(inspect("container", NAME).Image).toBe(before.Image);
  });
});
