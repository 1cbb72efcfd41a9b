import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { serveMetrics } from "../../operate/agent/metrics.ts";
import { type Actions, Scheduler } from "../../operate/agent/scheduler.ts";
import { readState, updateState } from "../../operate/agent/state.ts";
import type { Proof } from "../../operate/backup/format/proof.ts";
import type { BackupResult } from "../../operate/backup/take/take-backup.ts";
import type { BackupSettings, Settings } from "../../operate/settings.ts";
import { writeBackup, writeProofOf } from "../support/backup-folder.ts";
import { until } from "../support/until.ts";

let root: string;
let folder: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "pgstead-scheduler-"));
  folder = join(root, "backups");
  mkdirSync(migrationsFolder());
  unpackMigrations(60);
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const migrationsFolder = () => join(root, "migrations");

function unpackMigrations(secondsAgo: number): void {
  const time = Date.now() / 1000 - secondsAgo;
  utimesSync(migrationsFolder(), time, time);
}

/** A file in place of the folder: nobody can write there, root neither. */
const loseFolder = () => {
  rmSync(folder, { recursive: true, force: true });
  writeFileSync(folder, "");
};
const bringFolderBack = () => rmSync(folder);

/** An agent that runs each second, with actions that write what the real ones write. */
function startAgent(change: Partial<Actions> = {}) {
  const backups = {
    ...{ folder, schedule: "* * * * * *", verify: "each", metricsPort: 0, recipients: [] },
  } as unknown as BackupSettings;
  const migrations = { folder: migrationsFolder() };
  const settings = { stack: "t", engine: "docker", migrations, backups } as unknown as Settings;
  const stop = new AbortController();
  const log: string[] = [];
  let taken = 0;
  const actions: Actions = {
    backup: async () => {
      const manifest = writeBackup(folder, { daysAgo: 0 }, -taken++);
      return { manifest, uploaded: [], uploadError: null, pruned: [] } as BackupResult;
    },
    verify: async (id) => {
      const found = { id, dump: { sha256: "" }, startedAt: new Date().toISOString() };
      writeProofOf(folder, found as never);
      return { state: "proven", problems: [], totalSeconds: 1 } as unknown as Proof;
    },
    upload: async () => ({ uploaded: [], error: null }),
    ...change,
  };
  const options = { signal: stop.signal, log: (line: string) => log.push(line) };
  const scheduler = new Scheduler(() => settings, actions, options);
  const metrics = serveMetrics(
    "t",
    () => backups,
    (line) => log.push(line),
    () => scheduler.trouble,
  );
  const running = scheduler.run();
  return {
    log,
    taken: () => taken,
    health: async () => {
      if (!metrics.listening) await once(metrics, "listening");
      const { port } = metrics.address() as AddressInfo;
      const response = await fetch(`http://127.0.0.1:${port}/healthz`);
      const { problems } = (await response.json()) as { problems: string[] };
      return { status: response.status, problems };
    },
    end: async () => {
      stop.abort();
      metrics.close();
      metrics.closeAllConnections();
      await running;
    },
  };
}

test("S30: an agent that cannot write is unhealthy, takes no backup, and goes on when it can", async () => {
  loseFolder();
  const agent = startAgent();
  try {
    await until(async () => (await agent.health()).status === 503);
    expect((await agent.health()).problems[0]).toContain(folder);
    expect(agent.log).toContainEqual(
      expect.stringContaining(`does not work: cannot write to the backup folder ${folder}`),
    );
    expect(agent.taken()).toBe(0);
    bringFolderBack();
    await until(() => agent.taken() > 0);
    await until(async () => (await agent.health()).status === 200);
    expect(agent.log).toContain("the schedule works again");
    // The same while it runs.
    loseFolder();
    await until(async () => (await agent.health()).status === 503);
    const before = agent.taken();
    await sleep(1_100);
    expect(agent.taken()).toBe(before);
    bringFolderBack();
    await until(() => agent.taken() > before);
    expect(agent.log.filter((line) => line.includes("does not work"))).toHaveLength(2);
  } finally {
    await agent.end();
  }
  expect(statSync(folder).isDirectory()).toBe(true);
});

test("S30: an agent that can read its folder and not record its runs is unhealthy too", async () => {
  mkdirSync(folder);
  writeFileSync(join(folder, "state"), "");
  const agent = startAgent();
  try {
    await until(async () => (await agent.health()).status === 503);
    expect((await agent.health()).problems).toEqual([
      expect.stringContaining("the schedule does not work: EEXIST"),
    ]);
    expect(agent.taken()).toBe(0);
    rmSync(join(folder, "state"));
    await until(async () => agent.taken() > 0 && (await agent.health()).status === 200);
  } finally {
    await agent.end();
  }
});

test("S5: a dump that pg_dump warned about is recorded as incomplete, with the warning", async () => {
  const warnings = ["pg_dump: warning: something was left out"];
  const agent = startAgent({
    backup: async () => {
      const manifest = { ...writeBackup(folder, { daysAgo: 0, complete: false }), warnings };
      return { manifest, uploaded: [], uploadError: null, pruned: [] };
    },
  });
  try {
    await until(() => existsSync(folder) && readState(folder).last !== null);
    expect(readState(folder)).toMatchObject({
      last: { outcome: "incomplete", error: warnings[0] },
      failures: 1,
    });
    expect((await agent.health()).problems).toContainEqual(
      expect.stringContaining("is incomplete: pg_dump: warning"),
    );
  } finally {
    await agent.end();
  }
});

test("the first backup waits until the migrations of the first up are there, and have the lock", async () => {
  rmSync(migrationsFolder(), { recursive: true });
  const agent = startAgent();
  try {
    await sleep(1_200);
    expect(agent.taken()).toBe(0);
    mkdirSync(migrationsFolder());
    await sleep(1_200);
    expect(agent.taken()).toBe(0);
    unpackMigrations(5);
    await until(() => agent.taken() > 0);
  } finally {
    await agent.end();
  }
});

test("the first backup does not wait for ever for migrations that never come", async () => {
  rmSync(migrationsFolder(), { recursive: true });
  updateState(folder, { since: new Date(Date.now() - 2 * 60_000).toISOString() });
  const agent = startAgent();
  try {
    await until(() => agent.taken() > 0);
  } finally {
    await agent.end();
  }
});
