import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  isProven,
  type Proof,
  readLocalProof,
  writeProof,
} from "../../operate/backup/format/proof.ts";
import { readLocalManifests } from "../../operate/backup/store/folder.ts";
import { pruneLocalCopies } from "../../operate/backup/store/prune.ts";
import type { BackupSettings } from "../../operate/settings.ts";

const DAY_MS = 24 * 3600_000;
const SUM = "0".repeat(64);

/** A backup as it lies in the folder: taken some days ago, or by a clock that was ahead. */
const backup = fc.record({
  daysAgo: fc.oneof(
    { weight: 6, arbitrary: fc.integer({ min: 0, max: 90 }) },
    { weight: 1, arbitrary: fc.integer({ min: -900, max: -1 }) },
  ),
  complete: fc.boolean(),
  proof: fc.constantFrom("proven", "failed", "unverified", "none"),
  isProofAhead: fc.boolean(),
});

const settings = fc.record({
  keepDays: fc.integer({ min: 1, max: 10 }),
  keepWeeks: fc.integer({ min: 0, max: 4 }),
  keepMonths: fc.integer({ min: 0, max: 3 }),
});

type Backup = typeof backup extends fc.Arbitrary<infer T> ? T : never;

function writeBackup(
  folder: string,
  { daysAgo, complete, proof, isProofAhead }: Backup,
  index: number,
): void {
  const id = `app-${index}`;
  const startedAt = new Date(Date.now() - daysAgo * DAY_MS - index * 1000).toISOString();
  const manifest = {
    ...{ version: 1, id, stack: "t", database: "app", format: "custom", complete, warnings: [] },
    ...{ dump: { file: `${id}.dump`, size: 10, sha256: SUM }, databaseBytes: 10, rows: {} },
    ...{ serverVersion: "18.6", dumpVersion: "18.6", pgsteadVersion: "1", pgvectorVersion: null },
    ...{ schemaVersion: null, walPosition: null, auditHead: null, durationMs: 1, trigger: "now" },
    ...{ startedAt, finishedAt: startedAt },
  };
  writeFileSync(join(folder, `${id}.dump`), "0123456789");
  writeFileSync(join(folder, `${id}.json`), JSON.stringify(manifest));
  if (proof === "none") return;
  const restorableTo = isProofAhead ? new Date(Date.now() + DAY_MS).toISOString() : startedAt;
  const written: Proof = {
    ...{ version: 1, id, sha256: SUM, state: proof, problems: [], from: "local", compared: [] },
    ...{ verifiedAt: startedAt, restorableTo, restoreSeconds: 1, totalSeconds: 1 },
    ...{ tables: 1, rows: 1, pgsteadVersion: "1" },
  };
  writeProof(folder, written);
}

const proven = (backups: BackupSettings) =>
  readLocalManifests(backups)
    .filter((manifest) => manifest.complete && isProven(readLocalProof(backups, manifest)))
    .map(({ id }) => id);

test("S34: where a backup counts as proven, one is left after pruning, the newest", () => {
  fc.assert(
    fc.property(fc.array(backup, { maxLength: 25 }), settings, (backups, keep) => {
      const folder = mkdtempSync(join(tmpdir(), "pgstead-prune-"));
      try {
        backups.forEach((each, index) => {
          writeBackup(folder, each, index);
        });
        const given = { folder, ...keep } as BackupSettings;
        const [newest] = proven(given);
        pruneLocalCopies(given);
        expect(proven(given)[0]).toBe(newest);
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    }),
    { numRuns: 100 },
  );
});

test("S34: a proof of the future does not take the place of one that counts", () => {
  const folder = mkdtempSync(join(tmpdir(), "pgstead-prune-"));
  const good = { complete: true, isProofAhead: false, proof: "none" } as const;
  const backups: Backup[] = [
    { ...good, daysAgo: 0 },
    { ...good, daysAgo: 1 },
    { ...good, daysAgo: 20, proof: "proven", isProofAhead: true },
    { ...good, daysAgo: 60, proof: "proven" },
  ];
  try {
    backups.forEach((each, index) => {
      writeBackup(folder, each, index);
    });
    const given = { folder, keepDays: 1, keepWeeks: 0, keepMonths: 0 } as BackupSettings;
    pruneLocalCopies(given);
    expect(proven(given)).toEqual(["app-3"]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
