import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { updateBucket } from "../../operate/backup/store/update-bucket.ts";
import type { BackupSettings } from "../../operate/settings.ts";
import { withBackupFolder, writeBackup, writeProofOf } from "../support/backup-folder.ts";
import { type MemoryS3, startMemoryS3 } from "../support/memory-s3.ts";

let s3: MemoryS3;
beforeAll(async () => {
  s3 = await startMemoryS3();
});
afterAll(() => s3.stop());
beforeEach(() => s3.objects.clear());

const settingsOf = (folder: string) => {
  const credentialsFile = join(folder, "key");
  writeFileSync(credentialsFile, '{"accessKeyId":"k","secretAccessKey":"s"}');
  const bucket = { name: "b", prefix: "", region: "r", endpoint: s3.endpoint, pathStyle: true };
  return {
    ...{ folder, keepDays: 7, recipients: [], bucket: { ...bucket, credentialsFile } },
  } as unknown as BackupSettings;
};
const update = async (folder: string) => {
  const { uploaded, error } = await updateBucket(settingsOf(folder), {});
  expect(error).toBeNull();
  return uploaded;
};
/** Id of the backup in each slot, with a mark where it is proven. */
const slots = () =>
  ["a", "b"].map((slot) => {
    const read = (name: string) =>
      JSON.parse(s3.objects.get(`keep/${slot}/backup.${name}`)?.toString() ?? "{}").id;
    return (
      read("json") && (read("proof") === read("json") ? `${read("json")} proven` : read("json"))
    );
  });

test("S34: a backup of the future is uploaded, and takes no slot under keep/ before any other", () =>
  withBackupFolder(async (folder) => {
    const ahead = writeBackup(folder, { daysAgo: -700 });
    expect(await update(folder)).toEqual([ahead.id]);
    expect(slots()).toEqual([undefined, undefined]);
    const right = writeBackup(folder, { daysAgo: 0 });
    expect(await update(folder)).toEqual([right.id]);
    expect(slots()).toEqual([right.id, undefined]);
  }));

test("S34: what a clock that was ahead put under keep/ makes room for what is proven today", () =>
  withBackupFolder(async (folder) => {
    const ahead = writeBackup(folder, { daysAgo: -700, proof: "proven" });
    const further = writeBackup(folder, { daysAgo: -800, proof: "proven" });
    await update(folder);
    // As if the clock had been right when it was put there.
    for (const [slot, { id }] of [
      ["a", ahead],
      ["b", further],
    ] as const)
      for (const end of ["dump", "json", "proof"])
        s3.objects.set(`keep/${slot}/backup.${end}`, s3.objects.get(`dumps/${id}.${end}`)!);
    const first = writeBackup(folder, { daysAgo: 2, proof: "proven" });
    await update(folder);
    expect(slots()).toEqual([`${first.id} proven`, `${further.id} proven`]);
    const second = writeBackup(folder, { daysAgo: 1, proof: "proven" });
    await update(folder);
    expect(slots()).toEqual([`${first.id} proven`, `${second.id} proven`]);
  }));

test("S16: copies that the lifecycle has removed do not return, and the newest is uploaded at any age", () =>
  withBackupFolder(async (folder) => {
    const old = writeBackup(folder, { daysAgo: 40 });
    const newest = writeBackup(folder, { daysAgo: 20 });
    expect(await update(folder)).toEqual([newest.id]);
    const young = writeBackup(folder, { daysAgo: 6 });
    const today = writeBackup(folder, { daysAgo: 0 });
    expect(await update(folder)).toEqual([today.id, young.id]);
    expect([...s3.objects.keys()].some((key) => key.includes(old.id))).toBe(false);
  }));

test("S16: a proof that comes late brings its backup under keep/", () =>
  withBackupFolder(async (folder) => {
    const old = writeBackup(folder, { daysAgo: 5 });
    await update(folder);
    const settings = settingsOf(folder);
    writeBackup(folder, { daysAgo: 0 });
    writeProofOf(folder, old);
    expect(await updateBucket({ ...settings, keepDays: 2 }, {})).toMatchObject({ error: null });
    expect(slots()).toContain(`${old.id} proven`);
  }));
