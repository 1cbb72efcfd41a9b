import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";
import { locateOperationLock } from "../../operate/connect/operation-lock.ts";
import { applyPending } from "../../operate/migrate/run/apply-pending.ts";
import { undoApplied } from "../../operate/migrate/run/undo-applied.ts";
import { verify } from "../../operate/migrate/schema/find-drift.ts";
import { writeInto } from "../support/database.ts";
import { withEmbedded } from "../support/embedded.ts";

const options = { toolVersion: "test", waitMs: 20_000 };

test("the project's own migrations run up, down and up again; the audit log shows tampering", async () => {
  await withEmbedded(resolve("migrations"), async (settings, database) => {
    const { applied } = await applyPending(settings, options);
    expect((await undoApplied(settings, { ...options, to: "base" })).undone).toHaveLength(
      applied.length,
    );
    expect((await applyPending(settings, options)).applied).toHaveLength(applied.length);
    const broken = async () => (await database.query("select * from audit.first_broken()")).rows;
    await database.exec(
      "insert into tenants (name) values ('a'), ('b'); update tenants set name = 'c' where name = 'b'",
    );
    expect(await broken()).toEqual([]);
    await database.exec("update audit.log set actor = 'nobody' where seq = 2");
    expect(await broken()).toEqual([{ seq: 2, reason: "changed" }]);
    expect((await verify(settings)).differences).toEqual([]);
  });
});

test("ten at once apply each file once, CONCURRENTLY and backfills work, nothing leaks", async () => {
  const folder = mkdtempSync(join(tmpdir(), "pgstead-files-"));
  writeInto(
    folder,
    "0001_a.sql",
    "set search_path = ''; create table public.a as select i as id, 0 as n from generate_series(1, 100) i;",
  );
  writeInto(folder, "0002_b.sql", "create index concurrently a_id on a (id)");
  writeInto(
    folder,
    "0003_c.sql",
    "-- migrate:backfill table=a key=id batch=30\nupdate a set n = 1 where :batch",
  );
  writeInto(
    folder,
    "0004_d.sql",
    "-- migrate:no-transaction\nset lock_timeout = '9s';\nvacuum a;\ncreate table d ()",
  );
  await withEmbedded(folder, async (settings, database) => {
    const results = await Promise.all(
      Array.from({ length: 10 }, () => applyPending(settings, options)),
    );
    expect(results.flatMap(({ applied }) => applied)).toHaveLength(4);
    const { rows } = await database.query(
      "select sum(n)::int as n, current_setting('lock_timeout') as t from a",
    );
    expect(rows).toEqual([{ n: 100, t: "0" }]);
  });
  rmSync(folder, { recursive: true });
});

test("--preempt ends a dump that holds the lock, and no other operation (S11)", async () => {
  const folder = mkdtempSync(join(tmpdir(), "pgstead-files-"));
  writeInto(folder, "0001_a.sql", "create table a ()");
  await withEmbedded(folder, async (settings) => {
    const other = await holding(locateOperationLock(settings), "restore");
    const preempt = { ...options, preempt: true, waitMs: 1_500 };
    await expect(applyPending(settings, preempt)).rejects.toThrow(
      /waited 2 s for process \d+ \(restore/,
    );
    other.kill("SIGKILL");
    const dump = await holding(locateOperationLock(settings), "backup");
    const ended = once(dump, "exit");
    expect((await applyPending(settings, { ...options, preempt: true })).applied).toHaveLength(1);
    expect(await ended).toEqual([null, "SIGTERM"]);
  });
  rmSync(folder, { recursive: true });
});

/** Another process that has the lock. */
async function holding(path: string, purpose: string): Promise<ChildProcess> {
  const script = `
    import { tryFileLock } from ${JSON.stringify(resolve("operate/file-lock.ts"))};
    tryFileLock(${JSON.stringify(path)}, "${purpose}");
    console.log("held");
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(child.stdout!, "data");
  return child;
}
