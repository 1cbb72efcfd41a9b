import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { updateBucket } from "../../operate/backup/store/update-bucket.ts";
import { readBackupsSection } from "../../operate/inspect/backups-section.ts";
import { Settings } from "../../operate/settings.ts";
import { SmallDisk } from "../faults/harness.ts";
import { withBackupFolder, writeBackup } from "../support/backup-folder.ts";

const settingsOf = (folder: string, bucket?: object) =>
  Settings.parse({
    ...{ stack: "test", engine: "docker" },
    database: { host: "/nonexistent", port: 5432, name: "app", user: "migrator" },
    migrations: { folder },
    backups: { folder, schedule: "0 2 * * *", ...(bucket && { bucket }) },
  });

test("S35: a bucket that accepts and never answers is named, and the local backups are shown", () =>
  withBackupFolder(async (folder) => {
    const mute = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => mute.once("listening", resolve));
    const { port } = mute.address() as { port: number };
    const credentialsFile = join(folder, "key");
    writeFileSync(credentialsFile, '{"accessKeyId":"k","secretAccessKey":"s"}');
    const endpoint = `http://127.0.0.1:${port}`;
    const bucket = { name: "backups", region: "r", endpoint, pathStyle: true, credentialsFile };
    const settings = settingsOf(folder, bucket);
    const { id } = writeBackup(folder, { daysAgo: 0, proof: "proven" });
    const [section, update] = await Promise.all([
      readBackupsSection(settings),
      updateBucket(settings.backups!, {}),
    ]);
    const silent = `bucket "backups" at ${endpoint}: NoAnswer: it accepts connections and does not answer within 10 s`;
    expect(section.state).toBe("attention");
    expect(section.lines).toContain(silent);
    expect(section.lines[0]).toContain(`newest good one: ${id}`);
    expect(update).toEqual({ uploaded: [], error: silent });
    mute.close();
  }));

test("S30: a backup folder without room for the next backup needs attention", () =>
  withBackupFolder(async () => {
    const disk = new SmallDisk(2);
    try {
      writeBackup(disk.folder, { daysAgo: 0, proof: "proven" });
      const settings = settingsOf(disk.folder);
      expect((await readBackupsSection(settings)).state).toBe("ok");
      disk.fill();
      const { state, lines } = await readBackupsSection(settings);
      expect(state).toBe("attention");
      expect(lines).toContainEqual(
        expect.stringMatching(/: 0 B are free, and the newest dump has /),
      );
    } finally {
      disk.close();
    }
  }));

test("S30: a backup folder that cannot be written needs attention, and what it holds is shown", () =>
  withBackupFolder(async () => {
    const disk = new SmallDisk(2);
    try {
      const { id } = writeBackup(disk.folder, { daysAgo: 0, proof: "proven" });
      disk.remountReadOnly();
      const { state, lines } = await readBackupsSection(settingsOf(disk.folder));
      expect(state).toBe("attention");
      expect(lines).toContainEqual(expect.stringContaining(`newest good one: ${id}`));
      expect(lines).toContainEqual(
        expect.stringContaining(`cannot write to the backup folder ${disk.folder}: EROFS`),
      );
    } finally {
      disk.close();
    }
  }));
