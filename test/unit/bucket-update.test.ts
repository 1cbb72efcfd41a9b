import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { Manifest } from "../../operate/backup/format/manifest.ts";
import { isProven, type Proof } from "../../operate/backup/format/proof.ts";
import { readLocalManifests } from "../../operate/backup/store/folder.ts";
import { pruneLocalCopies } from "../../operate/backup/store/prune.ts";
import { updateBucket } from "../../operate/backup/store/update-bucket.ts";
import type { BackupSettings } from "../../operate/settings.ts";
import { DAY_MS, withBackupFolder, writeBackup, writeProofOf } from "../support/backup-folder.ts";
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

test("S16: a kill between the manifest and the proof of a slot is made good by the next update", () =>
  withBackupFolder(async (folder) => {
    for (const daysAgo of [3, 2]) {
      writeBackup(folder, { daysAgo, proof: "proven" });
      await update(folder);
    }
    const { id } = writeBackup(folder, { daysAgo: 1, proof: "proven" });
    // Three files under dumps/, dump and manifest under keep/.
    s3.changesLeft = 5;
    const { error } = await updateBucket(settingsOf(folder), {});
    s3.changesLeft = Number.POSITIVE_INFINITY;
    expect([error, slots()[0]]).toEqual([expect.stringContaining("AccessDenied"), id]);
    await update(folder);
    expect(slots()[0]).toBe(`${id} proven`);
  }));

/** Time of the newest backup under keep/ that a restore could use and that counts as proven today. */
function newestKept(): string {
  const times = ["a", "b"].map((slot) => {
    const [manifest, proof] = ["json", "proof"].map((name) =>
      JSON.parse(s3.objects.get(`keep/${slot}/backup.${name}`)?.toString() ?? "null"),
    ) as [Manifest | null, Proof | null];
    const dump = s3.objects.get(`keep/${slot}/backup.dump`) ?? "";
    const sum = createHash("sha256").update(dump).digest("hex");
    const isWhole = manifest?.dump.sha256 === sum && proof?.sha256 === sum;
    return isWhole && isProven(proof ?? undefined) ? manifest.startedAt : "";
  });
  return times.sort()[1] as string;
}

const proof = fc.constantFrom("proven", "failed", "unverified", "none");
const event = fc.oneof(
  fc.record({
    take: fc.record({
      daysAgo: fc.oneof(
        { weight: 5, arbitrary: fc.integer({ min: 0, max: 30 }) },
        { weight: 1, arbitrary: fc.integer({ min: -900, max: -1 }) },
      ),
      proof,
    }),
  }),
  fc.record({ prove: fc.nat(), as: proof }),
  // The program may be killed, or the bucket may refuse, after some changes.
  fc.record({
    changes: fc.oneof(fc.constant(Number.POSITIVE_INFINITY), fc.nat({ max: 12 })),
    keepDays: fc.integer({ min: 1, max: 10 }),
  }),
  fc.record({ expireDays: fc.integer({ min: 0, max: 40 }) }),
  fc.constant("prune" as const),
);

test("S16, S34: whatever happens, keep/ never goes back behind the newest one that counts as proven", () =>
  fc.assert(
    fc.asyncProperty(fc.array(event, { minLength: 4, maxLength: 20 }), (events) =>
      withBackupFolder(async (folder) => {
        s3.objects.clear();
        const settings = settingsOf(folder);
        for (const [index, each] of events.entries()) {
          const before = newestKept();
          if (each === "prune") pruneLocalCopies({ ...settings, keepWeeks: 0, keepMonths: 0 });
          else if ("take" in each) writeBackup(folder, each.take, index);
          else if ("prove" in each) {
            const all = readLocalManifests(settings);
            const found = all[each.prove % Math.max(1, all.length)];
            if (found && each.as !== "none") writeProofOf(folder, found, { proof: each.as });
          } else if ("expireDays" in each) {
            const oldest = new Date(Date.now() - each.expireDays * DAY_MS).toISOString();
            const stamp = oldest.replace(/[-:]/g, "").slice(0, 15);
            for (const key of s3.objects.keys())
              if (key.startsWith("dumps/") && key.slice("dumps/app-".length) < stamp)
                s3.objects.delete(key);
          } else {
            s3.changesLeft = each.changes;
            const { error } = await updateBucket({ ...settings, keepDays: each.keepDays }, {});
            s3.changesLeft = Number.POSITIVE_INFINITY;
            if (each.changes === Number.POSITIVE_INFINITY) expect(error).toBeNull();
          }
          expect(newestKept() >= before, JSON.stringify(each)).toBe(true);
        }
      }),
    ),
    { numRuns: 30 },
  ));
