import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as docker from "@pulumi/docker";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { IMAGE } from "./container-cases.ts";
import { docker as cli, inspect, sweep } from "./docker-cli.ts";
import { ContractTable } from "./table.ts";
import { type Program, TestStack } from "./test-stack.ts";

const TYPE = "docker.Image";
const TAG = "pgi-image:latest";
const table = new ContractTable();
const context = mkdtempSync(join(tmpdir(), "pgstead-image-"));
let testStack: TestStack;

const DOCKERFILE = `FROM ${IMAGE} AS first
ARG WORD=none
RUN echo "$WORD" > /word
COPY kept /kept
FROM first AS second
RUN echo second > /stage
`;

function image(build: Partial<docker.types.input.DockerBuild> = {}, args = {}): Program {
  return async () => {
    const built = new docker.Image("image", {
      imageName: TAG,
      build: { context, dockerfile: join(context, "Dockerfile"), target: "first", ...build },
      skipPush: true,
      ...args,
    });
    return { repoDigest: built.repoDigest };
  };
}

function inImage(...command: string[]): string {
  return cli("run", "--rm", "--entrypoint", command[0]!, TAG, ...command.slice(1));
}

beforeAll(async () => {
  sweep("pgi-");
  mkdirSync(join(context, "dir"));
  writeFileSync(join(context, "Dockerfile"), DOCKERFILE);
  writeFileSync(join(context, "kept"), "one");
  writeFileSync(join(context, "dir", "ignored"), "one");
  writeFileSync(join(context, ".dockerignore"), "# not for the build\ndir/\n");
  testStack = await TestStack.open("pgi");
});

afterAll(async () => {
  await testStack.close();
  const left = inspect("image", TAG) ? "image stays on the engine" : "gone";
  table.add({ type: TYPE, change: "(removed from the program)", engine: "delete", real: left });
  table.print("docker.Image");
  expect(left).toBe("image stays on the engine");
  cli("rmi", "-f", TAG);
  rmSync(context, { recursive: true });
});

describe("docker.Image", () => {
  test("a preview builds nothing; the digest is the local image's id", async () => {
    const preview = await testStack.preview(image(), "image");
    expect([preview.error, preview.op, inspect("image", TAG)]).toEqual(["", "create", undefined]);
    const made = await testStack.up(image(), "image");
    expect([made.error, made.op]).toEqual(["", "create"]);
    expect(made.outputs.repoDigest).toBe(inspect("image", TAG).Id);
    expect(inImage("cat", "/kept")).toBe("one");
    // The display skips lines of the log, so only one of its last lines may appear.
    expect(made.text).toMatch(
      /(naming to docker.io\/library\/|Successfully tagged )pgi-image:latest/,
    );
    const again = await testStack.up(image(), "image");
    table.add({
      type: TYPE,
      change: "(new), then nothing",
      engine: `${made.op}, ${again.op}`,
      real: "built once",
    });
    expect(again.op).toBe("same");
  });

  test.each([
    {
      change: "an ignored file",
      act: () => writeFileSync(join(context, "dir", "ignored"), "two"),
      op: "same",
    },
    {
      change: "a file of the context",
      act: () => writeFileSync(join(context, "kept"), "two"),
      op: "update",
    },
    {
      change: "the Dockerfile",
      act: () => writeFileSync(join(context, "Dockerfile"), `${DOCKERFILE}# changed\n`),
      op: "update",
    },
  ])("a change of $change: $op", async ({ change, act, op }) => {
    const before = inspect("image", TAG).Id;
    act();
    const result = await testStack.up(image(), "image");
    const real = inspect("image", TAG).Id === before ? "the same image" : "new image, same tag";
    table.add({ type: TYPE, change, engine: `${result.op} ${result.paths.join(" ")}`, real });
    expect([result.error, result.op]).toEqual(["", op]);
  });

  test("build arguments and target are passed on", async () => {
    const result = await testStack.up(
      image({ args: { WORD: "given" }, target: "second" }),
      "image",
    );
    table.add({
      type: TYPE,
      change: "args, target",
      engine: `${result.op} ${result.paths.join(" ")}`,
      real: "new image, same tag",
    });
    expect([result.error, result.op]).toEqual(["", "update"]);
    expect([inImage("cat", "/word"), inImage("cat", "/stage")]).toEqual(["given", "second"]);
    expect(result.outputs.repoDigest).toBe(inspect("image", TAG).Id);
  });

  test("a Dockerfile outside the context builds", async () => {
    const outside = mkdtempSync(join(tmpdir(), "pgstead-outside-"));
    writeFileSync(
      join(outside, "Other.Dockerfile"),
      `FROM ${IMAGE} AS first\nCOPY kept /outside\n`,
    );
    const result = await testStack.up(
      image({ dockerfile: join(outside, "Other.Dockerfile") }),
      "image",
    );
    rmSync(outside, { recursive: true });
    table.add({
      type: TYPE,
      change: "Dockerfile outside the context",
      engine: result.op,
      real: inImage("cat", "/outside"),
    });
    expect(result.error).toBe("");
  });

  test("a failing build step fails the update, and the error names the step", async () => {
    writeFileSync(
      join(context, "Dockerfile"),
      `FROM ${IMAGE} AS first\nRUN echo about-to-fail && exit 9\n`,
    );
    const result = await testStack.up(image(), "image");
    table.add({
      type: TYPE,
      change: "a step fails",
      engine: result.op,
      real: "the old image stays",
    });
    expect(result.op).toBe("failed");
    expect(result.text).toMatch(/exit code: 9/);
    expect(result.text).toContain("about-to-fail");
  });

  test("a missing Dockerfile and a push without a registry are refused", async () => {
    const missing = await testStack.preview(image({ dockerfile: join(context, "None") }), "image");
    expect(missing.text).toContain("None");
    const pushed = await testStack.preview(image({}, { skipPush: false }), "image");
    table.add({
      type: TYPE,
      change: "no skipPush, no registry",
      engine: `preview ${pushed.op}`,
      real: "-",
    });
    expect([missing.op, pushed.op]).toEqual(["failed", "failed"]);
    expect(pushed.text).toContain("requires all image names to be fully qualified");
  });
});
