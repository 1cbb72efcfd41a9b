import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { CurrentSettings } from "../../operate/agent/current-settings.ts";
import { type Actions, Scheduler } from "../../operate/agent/scheduler.ts";
import type { BackupResult } from "../../operate/backup/take/take-backup.ts";
import { readSettings } from "../../operate/settings.ts";

let folder: string;
let file: string;
let lines: string[];
const log = (line: string) => void lines.push(line);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "pgstead-schedule-"));
  file = join(folder, "settings.json");
  lines = [];
});
afterEach(() => rmSync(folder, { recursive: true }));

function writeSettings(backups: object = {}): void {
  const written = {
    ...{ stack: "test", engine: "docker", migrations: { folder: "/usr" } },
    database: { host: "/nowhere", port: 5432, name: "app", user: "migrator" },
    backups: { folder: join(folder, "backups"), ...backups },
  };
  writeFileSync(file, JSON.stringify(written));
}

test("a running agent uses the schedule that up has written meanwhile", async () => {
  writeSettings({ schedule: "* * * * * *" });
  const stop = new AbortController();
  const backup = vi.fn(async () => {
    writeSettings({ schedule: "0 3 1 1 *", keepDays: 3 });
    const manifest = { id: "app-1", complete: true, warnings: [] };
    return { manifest, uploadError: null } as unknown as BackupResult;
  });
  const actions = { backup } as unknown as Actions;
  const current = new CurrentSettings(readSettings(file), file, log);
  const { signal } = stop;
  const running = new Scheduler(() => current.read(), actions, { signal, log }).run();
  try {
    await vi.waitFor(() => expect(lines.join("\n")).toContain('backups at "0 3 1 1 *" UTC'), 5_000);
  } finally {
    stop.abort();
    await running;
  }
  expect(lines).toContain("the settings have changed");
  expect(backup).toHaveBeenCalledOnce();
});

test("settings that up has written half stay out of use, and the complete ones come into use", () => {
  writeSettings({ keepDays: 3 });
  const first = readSettings(file);
  const current = new CurrentSettings(first, file, log);
  expect(current.read()).toBe(first);
  for (const half of ["", '{"stack":"te', '{"stack":"test"}']) {
    lines = [];
    writeFileSync(file, half);
    expect([current.read(), current.read()]).toEqual([first, first]);
    expect(lines).toEqual([expect.stringContaining("the settings before stay in use: ")]);
  }
  rmSync(file);
  expect(current.read()).toBe(first);
  writeSettings({ keepDays: 4 });
  expect(current.read().backups?.keepDays).toBe(4);
  expect(current.read()).toBe(current.read());
});
