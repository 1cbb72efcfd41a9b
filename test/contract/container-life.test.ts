import { execFileSync } from "node:child_process";
import * as docker from "@pulumi/docker";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { IMAGE } from "./container-cases.ts";
import { docker as cli, inspect, sweep } from "./docker-cli.ts";
import { ContractTable } from "./table.ts";
import { type Program, TestStack } from "./test-stack.ts";

const TYPE = "docker.Container";
const table = new ContractTable();
let testStack: TestStack;

const sleeper = { image: IMAGE, entrypoints: ["sleep"], command: ["infinity"] };

function box(args: Partial<docker.ContainerArgs>): Program {
  return async () => {
    new docker.Container("box", { ...sleeper, ...args });
  };
}

beforeAll(async () => {
  sweep("pgl-");
  testStack = await TestStack.open("pgl");
});

afterAll(async () => {
  await testStack.close();
  table.print("docker.Container, its life");
  sweep("pgl-");
});

describe("the life of a docker.Container", () => {
  test("after a failed wait the container runs, and no later up repairs or replaces it", async () => {
    const healthcheck = { tests: ["CMD", "false"], interval: "1s", timeout: "1s", retries: 1 };
    const program = box({ name: "pgl-wait", healthcheck, wait: true, waitTimeout: 3 });
    const failed = await testStack.up(program, "box");
    expect(failed.op).toBe("failed");
    expect(failed.text).toContain("container failed to be in healthy state");
    const before = inspect("container", "pgl-wait");
    expect(before.State.Running).toBe(true);
    const next = await testStack.up(program, "box");
    await testStack.refresh(program, "box");
    const last = await testStack.up(program, "box");
    table.add({
      type: TYPE,
      change: "after a failed wait",
      engine: `${next.op} ${next.paths.join(" ")}; after refresh ${last.op}`,
      real: inspect("container", "pgl-wait").Id === before.Id ? "unchanged" : "new container",
    });
    expect([next.op, next.paths, last.op]).toEqual(["update", ["networkDatas"], "same"]);
    expect(inspect("container", "pgl-wait").Id).toBe(before.Id);
  });

  test("only a refresh shows that it was removed by hand", async () => {
    const program = box({ name: "pgl-gone" });
    await testStack.up(program, "box");
    cli("rm", "-f", "pgl-gone");
    const blind = await testStack.preview(program, "box");
    await testStack.refresh(program, "box");
    const seen = await testStack.preview(program, "box");
    table.add({
      type: TYPE,
      change: "removed by hand",
      engine: `${blind.op}; after refresh ${seen.op}`,
      real: "gone",
    });
    expect([blind.op, seen.op]).toEqual(["same", "create"]);
  });

  test("fails for the name of another container", async () => {
    cli("run", "-d", "--name", "pgl-other", "--entrypoint", "sleep", IMAGE, "infinity");
    const result = await testStack.up(box({ name: "pgl-other" }), "box");
    table.add({ type: TYPE, change: "name taken", engine: result.op, real: "the other one stays" });
    expect(result.text).toContain('The container name "/pgl-other" is already in use');
    expect(inspect("container", "pgl-other").State.Running).toBe(true);
    cli("rm", "-f", "pgl-other");
  });

  test.each([
    { grace: undefined, code: 137, seen: "killed" },
    { grace: 5, code: 0, seen: "clean stop" },
  ])(
    "removal with destroyGraceSeconds $grace gives exit code $code",
    async ({ grace, code, seen }) => {
      // A clean stop takes a second, so that a kill directly after the signal does not look like one.
      const script = "trap 'sleep 1; exit 0' INT TERM; while :; do sleep 0.1; done";
      const args = { name: "pgl-stop", entrypoints: ["bash", "-c"], command: [script] };
      // Process 1 gets only signals for which it has a handler, so the trap must be set first.
      await testStack.up(box({ ...args, destroyGraceSeconds: grace }), "box");
      await new Promise((resolve) => setTimeout(resolve, 500));
      const { Id: id } = inspect("container", "pgl-stop");
      const since = String(Math.floor(Date.now() / 1000) - 1);
      await testStack.up(async () => {}, "box");
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
    },
  );

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
    const made = await testStack.up(program, "box");
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
    const again = await testStack.up(program, "box");
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
    const result = await testStack.up(box({ name: "pgl-ro", readOnly: true, uploads }), "box");
    table.add({
      type: TYPE,
      change: "uploads with readOnly",
      engine: result.op,
      real: "made, not started",
    });
    expect(result.text).toContain("Unable to upload volume content");
    await testStack.up(async () => {}, "box");
  });

  test("memory without memorySwap, and after a refresh capabilities without CAP_, always show a change", async () => {
    const args = { name: "pgl-drift", memory: 64, capabilities: { drops: ["MKNOD"] } };
    await testStack.up(box(args), "box");
    const next = await testStack.preview(box(args), "box");
    await testStack.refresh(box(args), "box");
    const refreshed = await testStack.preview(box(args), "box");
    const shown = `${next.op} ${next.paths.join(" ")}; after refresh ${refreshed.op} ${refreshed.paths.join(" ")}`;
    table.add({
      type: TYPE,
      change: "memory alone, MKNOD",
      engine: shown,
      real: "always a change",
    });
    expect(next.paths).toContain("memorySwap");
    expect([refreshed.op, refreshed.paths]).toEqual([
      "replace",
      ["capabilities.drops[0]", "memorySwap"],
    ]);
  });

  test("joins a network and answers to its alias there", async () => {
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
    expect((await testStack.up(program, "box")).error).toBe("");
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
    const again = await testStack.up(program, "box");
    table.add({
      type: TYPE,
      change: "on a network of ours",
      engine: again.op,
      real: "reached by alias",
    });
    expect(again.op).toBe("same");
  });

  test("a secret in envs is encrypted in the state, but docker inspect shows it", async () => {
    const { secret } = await import("@pulumi/pulumi");
    const program: Program = async () => {
      new docker.Container("box", {
        ...sleeper,
        name: "pgl-secret",
        envs: [secret("TOKEN=hidden-one")],
      });
    };
    await testStack.up(program, "box");
    const shown = JSON.stringify(inspect("container", "pgl-secret").Config.Env);
    table.add({
      type: TYPE,
      change: "a secret in envs",
      engine: "encrypted in state",
      real: "plain in inspect",
    });
    expect(testStack.state()).not.toContain("hidden-one");
    expect(shown).toContain("hidden-one");
  });

  test("an engine out of reach fails the preview", async () => {
    const program: Program = async () => {
      const provider = new docker.Provider("unreachable", { host: "unix:///nonexistent.sock" });
      new docker.Container("box", { ...sleeper, name: "pgl-none" }, { provider });
    };
    const result = await testStack.preview(program, "box");
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

// All tests of this file need the docker client.
execFileSync("docker", ["version"], { stdio: "ignore" });
