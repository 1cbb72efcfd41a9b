import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { isGood, readManifest } from "../../operate/backup/format/manifest.ts";
import {
  isProven,
  type Proof,
  parseProof,
  readLocalProof,
  serializeProof,
} from "../../operate/backup/format/proof.ts";
import { Seal } from "../../operate/backup/format/seal.ts";
import { withBackupFolder, writeBackup, writeProofOf } from "../support/backup-folder.ts";

test("S13: a proof holds for the bytes that were restored, and for no other dump", () =>
  withBackupFolder((folder) => {
    const manifest = writeBackup(folder, { daysAgo: 0, proof: "proven" });
    expect(readLocalProof({ folder }, manifest)?.state).toBe("proven");
    writeProofOf(folder, manifest, { isOfOtherBytes: true });
    expect(readLocalProof({ folder }, manifest)).toBeUndefined();
  }));

test("S13: a proof holds for the backup that it names, and for no other with its bytes", () =>
  withBackupFolder((folder) => {
    const [manifest, other] = [0, 1].map((daysAgo) => writeBackup(folder, { daysAgo }));
    writeProofOf(folder, { ...manifest!, id: other!.id });
    const file = join(folder, `${other!.id}.proof`);
    writeFileSync(join(folder, `${manifest!.id}.proof`), readFileSync(file));
    expect(readLocalProof({ folder }, manifest!)).toBeUndefined();
  }));

test("S13: where the stack has a key, a proof without its seal or changed since does not count", () =>
  withBackupFolder((folder) => {
    const sealKeyFile = join(folder, "seal-key");
    writeFileSync(sealKeyFile, "a key of twenty letters");
    const seal = new Seal({ sealKeyFile });
    const manifest = writeBackup(folder, { daysAgo: 0, proof: "failed" });
    const file = join(folder, `${manifest.id}.proof`);
    const bare = JSON.parse(readFileSync(file, "utf8")) as Proof;
    expect(readLocalProof({ folder, sealKeyFile }, manifest)).toBeUndefined();
    const sealed = seal.sign(bare);
    writeFileSync(file, serializeProof(sealed));
    expect(readLocalProof({ folder, sealKeyFile }, manifest)?.state).toBe("failed");
    expect(parseProof(serializeProof({ ...sealed, state: "proven" }), seal)).toBeUndefined();
  }));

test("S34: a proof counts up to an hour ahead of the clock, because clocks differ", () =>
  withBackupFolder((folder) => {
    const manifest = writeBackup(folder, { daysAgo: 0, proof: "proven" });
    const proof = readLocalProof({ folder }, manifest);
    const taken = Date.parse(manifest.startedAt);
    const counts = (minutes: number) => isProven(proof, new Date(taken - minutes * 60_000));
    expect([0, 59, 61].map(counts)).toEqual([true, true, false]);
  }));

test("S5: a backup that pg_dump warned about is not a good one, and neither is an empty dump", () =>
  withBackupFolder((folder) => {
    const seal = new Seal({});
    const read = (manifest: { id: string }) =>
      readManifest(join(folder, `${manifest.id}.json`), seal)!;
    const whole = read(writeBackup(folder, { daysAgo: 0 }));
    expect(isGood(whole)).toBe(true);
    expect(isGood(read(writeBackup(folder, { daysAgo: 1, complete: false })))).toBe(false);
    expect(isGood({ ...whole, dump: { ...whole.dump, size: 0 } })).toBe(false);
  }));
