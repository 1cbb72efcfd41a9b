import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { describeLost } from "../../cli/stack/docker/lost-data.ts";
import { ensureProvenBackup, newestProvenIn } from "../../cli/stack/docker/proven-backup.ts";
import { useDockerStub } from "../support/docker-stub.ts";

const HOUR_MS = 3_600_000;
const at = (hoursAgo: number) => new Date(Date.now() - hoursAgo * HOUR_MS).toISOString();
const [ahead, fresh, old] = [at(-9_000), at(2), at(50)] as [string, string, string];

const stub = useDockerStub();

/** Puts a docker client on PATH that prints the answer to each command, or fails where there is none. */
function answer(answers: Record<string, string>): void {
  const cases = Object.entries(answers).map(([command, text], index) => {
    writeFileSync(join(stub.folder, String(index)), text);
    return `"${command}"*) exec cat ${join(stub.folder, String(index))};;`;
  });
  const script = `#!/bin/sh\ncase "$*" in\n${cases.join("\n")}\n*) exit 7;; esac\n`;
  stub.write(script);
}

const LIST = "exec dev-agent pgstead backup list --json";
const proof = (id: string, restorableTo: string, state = "proven") => ({ id, restorableTo, state });
const listing = (...backups: object[]) => answer({ [LIST]: JSON.stringify({ backups }) });

test("S34: a proof of the future is not the newest proven backup", async () => {
  listing({ proof: proof("x", ahead) }, { proof: proof("b", fresh) }, { proof: proof("c", old) });
  expect(await newestProvenIn("dev-agent")).toEqual({ id: "b", takenAt: fresh });
  listing({ proof: proof("x", ahead) });
  expect(await newestProvenIn("dev-agent")).toBeUndefined();
});

test("the newest one counts that did not fail, whichever copy was proven", async () => {
  listing(
    { proof: proof("c", old), bucketProof: null },
    { proof: proof("a", fresh, "failed") },
    { proof: proof("b", at(3), "unverified"), bucketProof: proof("b", at(3)) },
  );
  expect(await newestProvenIn("dev-agent")).toMatchObject({ id: "b" });
});

test("S29: without a fresh proof the image is changed only after a new one", async () => {
  const ensure = () => ensureProvenBackup({ prefix: "dev", provenWithinHours: 24 }, () => {});
  listing({ proof: proof("b", fresh) });
  await ensure();
  for (const only of [proof("c", old), proof("x", ahead)]) {
    listing({ proof: only });
    await expect(ensure()).rejects.toThrow('"pgstead backup now" ended with exit code 7');
  }
  answer({});
  await expect(ensure()).rejects.toThrow("dev-agent could not be asked");
});

test("S2, S34: what is lost with a volume is told by its newest proven backup, not by one of the future", async () => {
  const manifest = (id: string, startedAt: string) => ({ id, startedAt, rows: { t: 5 } });
  const files = [
    ...[manifest("x", ahead), manifest("b", fresh), manifest("c", old)],
    ...[proof("x", ahead), proof("c", old)],
  ];
  answer({
    "volume inspect dev-backups": "[]",
    "images -q dev-postgres": "0123",
    "run --rm": files.map((file) => JSON.stringify(file)).join("\0"),
  });
  expect(await describeLost("dev")).toMatch(/^the newest proven backup, c, is 2 d old/);
});
