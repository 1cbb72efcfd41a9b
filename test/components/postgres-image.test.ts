import * as pulumi from "@pulumi/pulumi";
import { beforeAll, describe, expect, test, vi } from "vitest";
import { useDockerStub } from "../support/docker-stub.ts";
import { type Recorded, recordResources, urnOf, valueIn } from "../support/recorder.ts";

let PostgresImage: typeof import("../../components/server/image.ts").PostgresImage;
/** What the image answers when its versions are asked for. */
let installed: string;

let recorded: Recorded[];

beforeAll(async () => {
  recorded = await recordResources({
    "pgstead:index:PostgresImage": () => ({}),
    "docker:index/image:Image": (_inputs, name) => ({ repoDigest: `sha256:${name}` }),
    "command:local:Command": () => ({
      stdout: JSON.stringify({ postgres: "18.6", pgvector: installed }),
    }),
  });
  ({ PostgresImage } = await import("../../components/server/image.ts"));
});

async function warningsFor(version: string): Promise<string[]> {
  installed = version;
  const warn = vi.spyOn(pulumi.log, "warn").mockResolvedValue().mockClear();
  const image = new PostgresImage(`image-${version}`, { prefix: "test" });
  expect(await valueIn(image.pgvectorVersion)).toBe(version);
  return warn.mock.calls.map(([text]) => text);
}

test("an image whose pgvector has known faults is warned of, whatever the configuration says", async () => {
  expect(await warningsFor("0.8.6")).toEqual([
    expect.stringContaining("pgvector 0.8.6 has known faults: a buffer overflow"),
  ]);
  expect(await warningsFor("0.8.7")).toEqual([]);
});

describe("both images are built for the platform", () => {
  const stub = useDockerStub();

  const own = `linux/${process.arch === "arm64" ? "arm64" : "amd64"}`;
  test.each([
    // It also must be the declared engine that is asked.
    ["of the engine", 'test "$DOCKER_HOST" = ssh://far && echo linux/riscv64', "linux/riscv64"],
    ["of this machine where no engine is in reach", "exit 1", own],
  ])("%s", async (name, answer, platform) => {
    stub.write(`#!/bin/sh\n${answer}\n`);
    const image = new PostgresImage(name, { prefix: "test", dockerHost: "ssh://far" });
    await urnOf(image.nodes.agent);
    const builds = recorded.filter((each) => each.name.startsWith(`${name}-`) && each.inputs.build);
    const built = builds.map(({ inputs }) => (inputs.build as { platform: string }).platform);
    expect(built).toEqual([platform, platform]);
  });
});
