import * as pulumi from "@pulumi/pulumi";
import { beforeAll, expect, test, vi } from "vitest";
import { recordResources, valueIn } from "../support/recorder.ts";

let PostgresImage: typeof import("../../components/server/image.ts").PostgresImage;
/** What the image answers when its versions are asked for. */
let installed: string;

beforeAll(async () => {
  await recordResources({
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
