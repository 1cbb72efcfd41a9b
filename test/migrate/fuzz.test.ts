import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import pg from "pg";
import { expect, inject, test } from "vitest";
import { ExpectedError, readDoneBefore } from "../../operate/error.ts";
import type { AppliedFile } from "../../operate/migrate/run/apply.ts";
import { applyPending } from "../../operate/migrate/run/apply-pending.ts";
import { schemaText } from "../../operate/migrate/schema/schema-file.ts";
import type { Settings } from "../../operate/settings.ts";
import { createDatabase } from "../support/database.ts";
import { type FuzzFile, files, pieceNames } from "../support/fuzz-files.ts";
import { findLack } from "../support/programs.ts";

const SEED = Number(process.env.SEED ?? 16);
const CASES = Number(process.env.CASES ?? 50);
const lack = findLack("psql");

/** What pgstead refuses by design although psql runs it. */
const refusals = [
  /is not a directive|is not in its place|is not one of transaction/,
  /is a line of .*, which pgstead does not read|an annotation of (?:goose|sql-migrate)/,
  /needs a line with Up|a statement stands before|has the parts of/,
  /a temporary table, view or sequence does not exist when the file is resumed/,
  /is a command of psql/,
  /ended the transaction of pgstead with its own COMMIT/,
  /(?:BEGIN|START|COMMIT|END) without its (?:COMMIT|BEGIN)|would undo the transaction of the file/,
  /this statement cannot run in a transaction; move it/,
  /does not change how the strings of this file are read/,
  /does not keep the transaction mode/,
  /this statement ends with its COMMIT/,
];

/** Where pgstead reads another end of a string than psql, the server refuses the whole file. */
const misread = [
  "directive in a string",
  "goose in a string",
  "backslash strings",
  "hidden commit",
  "open quote",
];

test.skipIf(lack)(
  `what up applies is what psql makes of the same files: ${CASES} cases of seed ${SEED}`,
  { timeout: 120_000 + CASES * 5_000 },
  async () => {
    const base = await createDatabase();
    const { host, port, superuser: user, password } = inject("server");
    const admin = new pg.Client({ host, port, user, password, database: "postgres" });
    await admin.connect();
    const seen = new Set<string>();
    const counts = { files: 0, applied: 0, complete: 0, refused: 0 };
    let count = 0;
    const tryCase = async (given: FuzzFile[]) => {
      const folder = mkdtempSync(join(tmpdir(), "pgstead-fuzz-"));
      const { name, owner } = base.settings.database;
      const [ours, theirs] = ["ours", "theirs"].map((side) => ({
        ...base.settings,
        database: { ...base.settings.database, name: `${name}_${side}_${count}` },
        migrations: { ...base.settings.migrations, folder: join(folder, "migrations") },
      })) as [Settings, Settings];
      count++;
      try {
        for (const { database } of [ours, theirs]) {
          await admin.query(`create database ${database.name} template ${name} owner ${owner}`);
        }
        await compareCase(given, { ours, theirs, folder });
      } finally {
        for (const { database } of [ours, theirs]) {
          await admin.query(`drop database if exists ${database.name} with (force)`);
        }
        rmSync(folder, { recursive: true });
      }
    };
    const compareCase = async (
      given: FuzzFile[],
      { ours, theirs, folder }: { ours: Settings; theirs: Settings; folder: string },
    ) => {
      mkdirSync(join(folder, "migrations"));
      given.forEach(({ text }, i) => {
        writeFileSync(join(folder, "migrations", `000${i + 1}_f.sql`), text);
      });
      const { applied, error } = await runOurs(ours);
      counts.files += given.length;
      counts.applied += applied;
      const by = async (some: FuzzFile[]) => runPsql(theirs, folder, some);
      const compare = async () => {
        const [mine, psql] = await Promise.all([outcome(ours), outcome(theirs)]);
        const without = (some: string[], all: string[]) => some.filter((x) => !all.includes(x));
        const text = `ours: ${without(mine, psql).join("\n")}\npsql: ${without(psql, mine).join("\n")}`;
        expect(mine, text).toEqual(psql);
      };
      const failure = await by(given.slice(0, applied));
      expect(failure, `psql on the applied files: ${failure}`).toBe("");
      for (const file of given.slice(0, applied)) for (const piece of file.pieces) seen.add(piece);
      // All files are checked before the first one runs, so the refused one may be a later one.
      const stoppedAt = Number(/000(\d)_f/.exec(error?.message ?? "")?.[1] ?? applied + 1);
      const stopped = given[stoppedAt - 1];
      const isPartial = /statements of \S+ have run and stay/.test(error?.message ?? "");
      const isOwnCommit = /ended the transaction of pgstead/.test(error?.message ?? "");
      if (!isPartial && !isOwnCommit) await compare();
      if (!error || !stopped) {
        expect([error?.message, applied]).toEqual([undefined, given.length]);
        counts.complete++;
        return;
      }
      expect(error, error.stack ?? "").toBeInstanceOf(ExpectedError);
      const said = await by(given.slice(applied, stoppedAt));
      if (isPartial) await compare();
      if (said === "") {
        counts.refused++;
        expect(
          refusals.some((known) => known.test(error.message)) ||
            (/SQLSTATE 42601|syntax error|unterminated/.test(error.message) &&
              misread.some((piece) => stopped.pieces.includes(piece))),
          `psql runs it, pgstead: ${error.message}`,
        ).toBe(true);
      }
    };
    try {
      await fc.assert(
        fc.asyncProperty(files, async (given) => {
          try {
            await tryCase(given);
          } catch (failure) {
            const texts = given.map(({ text }, i) => `=== 000${i + 1}_f.sql\n${text}`).join("\n");
            throw new Error(`${(failure as Error).message}\n${texts}`, { cause: failure });
          }
        }),
        { seed: SEED, numRuns: CASES },
      );
    } finally {
      await admin.end();
      await base.drop();
    }
    // Files that stop at once would compare nothing.
    expect(counts.complete, JSON.stringify(counts)).toBeGreaterThan(CASES / 2);
    if (process.env.FUZZ_COUNTS) console.log(JSON.stringify(counts));
    if (CASES >= 200) expect(pieceNames.filter((piece) => !seen.has(piece))).toEqual([]);
  },
);

async function runOurs(settings: Settings): Promise<{ applied: number; error?: Error }> {
  const options = { toolVersion: "test", waitMs: 20_000, lockWaitMs: 3_000 };
  try {
    return { applied: (await applyPending(settings, options)).applied.length };
  } catch (error) {
    const applied = (readDoneBefore(error)?.applied ?? []) as AppliedFile[];
    return { applied: applied.length, error: error as Error };
  }
}

/** Each file in a session of its own, as the owner. Returns the error, or an empty text. */
function runPsql({ database }: Settings, folder: string, some: FuzzFile[]): Promise<string> {
  if (some.length === 0) return Promise.resolve("");
  const script = some.flatMap(({ up, isWrapped }, i) => {
    const path = join(folder, `psql-${i}.sql`);
    writeFileSync(path, up);
    return [
      `\\connect ${database.name}`,
      `set role "${database.owner}";`,
      ...(isWrapped ? ["begin;"] : []),
      `\\i ${path}`,
      ...(isWrapped ? ["commit;"] : []),
    ];
  });
  const args = ["-X", "-q", "-v", "ON_ERROR_STOP=1", "-o", "/dev/null", "-d", database.name];
  const address = ["-h", database.host, "-p", String(database.port), "-U", database.user];
  const env = { ...process.env, PGPASSWORD: "migrator", PGCLIENTENCODING: "UTF8" };
  return new Promise((resolve, reject) => {
    const child = spawn("psql", [...args, ...address], { env, stdio: ["pipe", "ignore", "pipe"] });
    let text = "";
    child.stderr.on("data", (data) => {
      text += data;
    });
    child.once("error", reject);
    child.once("close", (code) =>
      resolve(code === 0 ? "" : keepErrors(text) || `${text}exit code ${code}`),
    );
    child.stdin.end(`${script.join("\n")}\n`);
  });
}

const keepErrors = (text: string) =>
  text
    .split("\n")
    .filter((line) => /ERROR|FATAL/.test(line))
    .join("\n");

/** Schema, owners, privileges, rows and sequences. An invalid index of a failed build does not count. */
async function outcome(settings: Settings): Promise<string[]> {
  const { host, port, superuser: user, password } = inject("server");
  const client = new pg.Client({ host, port, user, password, database: settings.database.name });
  await client.connect();
  try {
    await client.query("set search_path = pg_catalog");
    const { rows } = await client.query(OBJECTS);
    return [
      ...(await schemaText(settings)).sql
        .split("\n")
        .filter((line) => line !== "" && !line.includes("/* invalid */")),
      ...rows.map((row) => JSON.stringify(row)),
    ];
  } finally {
    await client.end();
  }
}

const OBJECTS = `
with mine as (select oid, nspname from pg_namespace
  where nspname !~ '^pg_' and nspname not in ('information_schema', 'pgstead'))
select 'relation ' || c.oid::regclass as name, pg_get_userbyid(relowner) as owner, relacl::text as acl,
  concat(relkind, relpersistence, reloptions::text) as shape,
  case when relkind in ('r', 'm') then query_to_xml(format(
    'select "the row"::text as r from %s "the row" order by "the row"::text collate "C"', c.oid::regclass), true, false, '')::text
  when relkind = 'S' then query_to_xml(format(
    'select last_value, is_called from %s', c.oid::regclass), true, false, '')::text end as rows
from pg_class c join mine on mine.oid = relnamespace
where not exists (select from pg_index i where i.indexrelid = c.oid and not i.indisvalid)
union all
select 'routine ' || p.oid::regprocedure, pg_get_userbyid(proowner), proacl::text, proconfig::text, prosrc
from pg_proc p join mine on mine.oid = pronamespace
where not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')
union all
select 'type ' || t.oid::regtype, pg_get_userbyid(typowner), typacl::text, typtype::text, null
from pg_type t join mine on mine.oid = typnamespace
union all
select 'schema ' || nspname, pg_get_userbyid(nspowner), nspacl::text, null, null
from pg_namespace natural join mine
order by 1`;
