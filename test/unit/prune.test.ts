import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { isProven, readLocalProof } from "../../operate/backup/format/proof.ts";
import { readLocalManifests, removeBackup } from "../../operate/backup/store/folder.ts";
import { planPruning, pruneLocalCopies } from "../../operate/backup/store/prune.ts";
import type { BackupSettings } from "../../operate/settings.ts";
import {
  DAY_MS,
  type WrittenBackup,
  withBackupFolder,
  writeBackup,
  writeProofOf,
} from "../support/backup-folder.ts";

const proof = fc.constantFrom("proven", "failed", "unverified", "none");
const backup = fc.record({
  daysAgo: fc.oneof(
    { weight: 6, arbitrary: fc.integer({ min: 0, max: 90 }) },
    { weight: 1, arbitrary: fc.integer({ min: -900, max: -500 }) },
  ),
  complete: fc.boolean(),
  proof,
  isProofAhead: fc.boolean(),
  isOfOtherBytes: fc.boolean(),
});

const settings = fc.record({
  keepDays: fc.integer({ min: 1, max: 10 }),
  keepWeeks: fc.integer({ min: 0, max: 4 }),
  keepMonths: fc.integer({ min: 0, max: 3 }),
});

/** Ids of what counts as proven today, newest first. */
const proven = (backups: BackupSettings) =>
  readLocalManifests(backups)
    .filter((manifest) => manifest.complete && isProven(readLocalProof(backups, manifest)))
    .map(({ id }) => id);

test("S34: where a backup counts as proven, one is left after pruning, the newest", () =>
  fc.assert(
    fc.asyncProperty(fc.array(backup, { maxLength: 25 }), settings, (backups, keep) =>
      withBackupFolder((folder) => {
        backups.forEach((each, index) => {
          writeBackup(folder, each, index);
        });
        const given = { folder, ...keep } as BackupSettings;
        const [newest] = proven(given);
        pruneLocalCopies(given);
        expect(proven(given)[0]).toBe(newest);
      }),
    ),
    { numRuns: 60 },
  ));

/** What happens between two looks at the volume. */
const event = fc.oneof(
  fc.record({ take: backup }),
  fc.record({ prove: fc.nat(), as: proof }),
  fc.record({ damage: fc.nat() }),
  // The clock may be wrong, and the program may be killed after some copies are removed.
  fc.record({
    prune: settings,
    clockOffDays: fc.oneof(fc.constant(0), fc.integer({ min: -900, max: 400 })),
    killedAfter: fc.oneof(fc.constant(100), fc.nat({ max: 3 })),
  }),
);

/** A clock that is ahead as far as a backup of the future is not told from a right one. */
test("S34: whatever happened before, no pruning takes away the last one that counts as proven", () =>
  fc.assert(
    fc.asyncProperty(fc.array(event, { minLength: 3, maxLength: 30 }), (events) =>
      withBackupFolder((folder) => {
        const given = { folder } as BackupSettings;
        const pick = (n: number) => {
          const all = readLocalManifests(given);
          return all[n % Math.max(1, all.length)];
        };
        events.forEach((each, index) => {
          if ("take" in each) writeBackup(folder, each.take, index);
          else if ("prove" in each) {
            const found = pick(each.prove);
            if (found && each.as !== "none") writeProofOf(folder, found, { proof: each.as });
          } else if ("damage" in each) {
            const found = pick(each.damage);
            if (found) writeFileSync(join(folder, `${found.id}.proof`), '{"version":1');
          } else {
            const before = proven(given);
            const now = new Date(Date.now() + each.clockOffDays * DAY_MS);
            const plan = planPruning({ folder, ...each.prune } as BackupSettings, now);
            const removed = plan.filter(({ keep }) => !keep).slice(0, each.killedAfter);
            const all = readLocalManifests(given);
            for (const { id } of removed) removeBackup(folder, all.find((one) => one.id === id)!);
            expect(proven(given)[0]).toBe(before[0]);
          }
        });
      }),
    ),
    { numRuns: 120 },
  ));

test("S34: a proof of the future does not take the place of one that counts", () =>
  withBackupFolder((folder) => {
    const backups: WrittenBackup[] = [
      { daysAgo: 0 },
      { daysAgo: 1 },
      { daysAgo: 20, proof: "proven", isProofAhead: true },
      { daysAgo: 60, proof: "proven" },
    ];
    const ids = backups.map((each, index) => writeBackup(folder, each, index).id);
    const given = { folder, keepDays: 1, keepWeeks: 0, keepMonths: 0 } as BackupSettings;
    pruneLocalCopies(given);
    expect(proven(given)).toEqual([ids[3]]);
    // Nothing of the removed copies is left.
    const left = new Set(readdirSync(folder).map((name) => name.replace(/\.\w+$/, "")));
    expect([...left].sort()).toEqual([ids[3], ids[0]]);
  }));

test("a removal that ends half-way leaves files, and no backup without its dump", () =>
  withBackupFolder((folder) => {
    const manifest = writeBackup(folder, { daysAgo: 1, proof: "proven" });
    rmSync(join(folder, manifest.dump.file));
    // A folder in place of the dump cannot be removed as a file.
    mkdirSync(join(folder, manifest.dump.file));
    expect(() => removeBackup(folder, manifest)).toThrow();
    expect(readLocalManifests({ folder })).toEqual([]);
  }));
