import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { readHistory } from "../../operate/migrate/history/history.ts";
import { applyPending } from "../../operate/migrate/run/apply-pending.ts";
import type { Settings } from "../../operate/settings.ts";
import { freePort } from "../support/free-port.ts";
import { until } from "../support/until.ts";
import { BreakableLine, SmallDisk } from "./harness.ts";

const IMAGE = "pgstead-fixture/postgres:18-trixie";
const docker = (...args: string[]) =>
  execFileSync("docker", args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }).trim();

/** A server that tests may break. Its tables are on a disk that can be filled. */
class Server {
  readonly disk = new SmallDisk(24);
  readonly work = mkdtempSync(join(tmpdir(), "pgstead-trouble-"));
  readonly notes: string[] = [];
  private id = "";
  private port = 0;
  private line?: BreakableLine;
  private count = 0;
  settings!: Settings;

  async start(): Promise<void> {
    this.port = await freePort();
    this.id = docker(
      ...["run", "--detach", "--publish", `127.0.0.1:${this.port}:5432`],
      ...[
        "--env",
        "POSTGRES_HOST_AUTH_METHOD=trust",
        "--volume",
        `${this.disk.folder}:/small`,
        IMAGE,
      ],
    );
    await this.waitUntilReady();
    this.line = await BreakableLine.to(this.port);
    docker("exec", this.id, "sh", "-c", "mkdir /small/data && chown postgres /small/data");
    await this.query("create tablespace small location '/small/data'", "postgres");
  }

  /** Creates the next database with these migration files. Its settings connect over the line. */
  async database(files: Record<string, string>): Promise<void> {
    const name = `d${this.count++}`;
    await this.query(`create database ${name}`, "postgres");
    await this.query(`alter database ${name} set default_tablespace = small`, "postgres");
    const folder = join(this.work, name);
    this.settings = {
      ...{ stack: "test", engine: "docker", checks: [] },
      database: { host: "127.0.0.1", port: this.lineOf.port, name, user: "postgres" },
      migrations: { folder, files: "*", outOfOrder: "refuse", protected: false },
    };
    this.notes.length = 0;
    execFileSync("mkdir", [folder]);
    for (const [file, sql] of Object.entries(files)) writeFileSync(join(folder, file), sql);
  }

  get lineOf(): BreakableLine {
    if (!this.line) throw new Error("the server was not started");
    return this.line;
  }

  up = () =>
    applyPending(this.settings, {
      ...{ toolVersion: "test", waitMs: 20_000, lockWaitMs: 20_000 },
      note: (line) => this.notes.push(line),
    });

  /** Opens a session that does not use the line. */
  async session<T>(use: (client: pg.Client) => Promise<T>, database?: string): Promise<T> {
    const client = new pg.Client({
      ...{ host: "127.0.0.1", port: this.port, user: "postgres" },
      database: database ?? this.settings.database.name,
    });
    client.on("error", () => {});
    await client.connect();
    try {
      return await use(client);
    } finally {
      await client.end().catch(() => {});
    }
  }

  query = async (sql: string, database?: string) =>
    (await this.session((client) => client.query(sql), database)).rows;

  states = () =>
    this.session(async (client) =>
      [...(await readHistory(client)).rows.values()].map(({ version, state, statementsDone }) => [
        version,
        state,
        statementsDone,
      ]),
    );

  /** Waits until a session of the runner executes a statement that contains `sql`. */
  async waitUntilRunning(sql: string): Promise<void> {
    await until(async () => {
      const rows = await this.query(
        `select from pg_stat_activity where application_name = 'pgstead migrate up'
           and state = 'active' and query like '%${sql}%'`,
        "postgres",
      );
      return rows.length > 0;
    });
  }

  restart(): void {
    docker("restart", "--time", "1", this.id);
  }

  async waitUntilReady(): Promise<void> {
    await until(() =>
      this.query("select 1", "postgres").then(
        () => true,
        () => false,
      ),
    );
  }

  async stop(): Promise<void> {
    await this.line?.close();
    if (this.id) docker("rm", "--force", "--volumes", this.id);
    this.disk.close();
    rmSync(this.work, { recursive: true, force: true });
  }
}

const server = new Server();
const failure = (exitCode: number, message: RegExp) =>
  expect.objectContaining({ exitCode, message: expect.stringMatching(message) });
const rows = (table: string, count: number) =>
  `insert into ${table} select i, repeat('x', 900) from generate_series(1, ${count}) i;`;

beforeAll(() => server.start());
afterAll(() => server.stop());
afterEach(() => {
  server.disk.free();
  server.lineOf.restore();
});

test("a full disk fails the file with that reason, rolls it back, and the next run continues", async () => {
  await server.database({
    "0001_a.sql": "create table a (id int, body text);",
    "0002_b.sql": `create table b (); ${rows("a", 9_000)}`,
    "0003_c.sql": "create table c ();",
  });
  server.disk.fill(2 * 1024 * 1024);
  await expect(server.up()).rejects.toEqual(
    failure(
      3,
      /^0002_b.sql:1:\d+: could not extend file .*No space left on device.*\(SQLSTATE 53100\)/,
    ),
  );
  expect(await server.states()).toEqual([["0001_a", "applied", 1]]);
  expect(await server.query("select to_regclass('b') as b")).toEqual([{ b: null }]);
  server.disk.free();
  await server.up();
  expect((await server.states()).map(([version]) => version)).toEqual([
    "0001_a",
    "0002_b",
    "0003_c",
  ]);
  expect(await server.query("select count(*)::int as n from a")).toEqual([{ n: 9_000 }]);
});

test("a full disk during CREATE INDEX CONCURRENTLY leaves no invalid index, and the next run continues", async () => {
  await server.database({
    "0001_a.sql": `create table a (id int, body text); ${rows("a", 5_000)}`,
    "0002_b.sql": `-- migrate:no-transaction
create table b ();
create index concurrently a_body on a (body, id);
create table c ();`,
  });
  await server.query("select 1");
  const only = {
    ...server.settings,
    migrations: { ...server.settings.migrations, files: "0001*" },
  };
  await applyPending(only, { toolVersion: "test" });
  server.disk.fill(128 * 1024);
  await expect(server.up()).rejects.toEqual(
    failure(3, /^0002_b.sql:3:1: .*No space left on device/),
  );
  expect(await server.states()).toEqual([
    ["0001_a", "applied", 2],
    ["0002_b", "applying", 1],
  ]);
  expect(await server.query("select to_regclass('a_body') as i")).toEqual([{ i: null }]);
  server.disk.free();
  await server.up();
  expect((await server.states())[1]).toEqual(["0002_b", "applied", 3]);
  expect(
    await server.query("select indisvalid from pg_index where indexrelid = 'a_body'::regclass"),
  ).toEqual([{ indisvalid: true }]);
});

test("after a deadlock the runner repeats the file from its start", async () => {
  await server.database({
    "0001_a.sql": "create table a (); create table b ();",
    "0002_b.sql": `-- migrate:timeout lock=20s
create table c (); lock table a; select pg_sleep(0.5); lock table b;`,
  });
  const only = {
    ...server.settings,
    migrations: { ...server.settings.migrations, files: "0001*" },
  };
  await applyPending(only, { toolVersion: "test" });
  const running = server.session(async (other) => {
    // This session never checks for deadlocks, so PostgreSQL cancels the runner.
    await other.query("set deadlock_timeout = '1h'; begin; lock table b");
    await server.waitUntilRunning("pg_sleep");
    await other.query("lock table a; commit");
  });
  await server.up();
  await running;
  expect(server.notes.join("\n")).toMatch(/deadlock detected.*trying again/);
  expect((await server.states())[1]).toEqual(["0002_b", "applied", 4]);
});

test.each([
  ["a restart of the server", () => server.restart()],
  ["a lost connection", () => server.lineOf.cut()],
])("%s ends the run with exit code 3, and the next run continues", async (_, strike) => {
  await server.database({
    "0001_a.sql": "create table a (id int);",
    "0002_b.sql":
      "-- migrate:no-transaction\ncreate table b ();\ninsert into a values (1);\ndo $$ begin perform pg_sleep(2); insert into a values (2); end $$;",
    "0003_c.sql": "create table c ();",
  });
  const running = server.up().catch((error) => error);
  await server.waitUntilRunning("pg_sleep");
  strike();
  await sleep(1000);
  server.lineOf.restore();
  const error = await running;
  await server.waitUntilReady();
  expect(error).toEqual(
    failure(
      3,
      /2 statements of 0002_b have run and stay; .* continues after them|run the command again to continue/,
    ),
  );
  await server.up();
  expect(await server.states()).toEqual([
    ["0001_a", "applied", 1],
    ["0002_b", "applied", 3],
    ["0003_c", "applied", 1],
  ]);
  expect(await server.query("select array_agg(id order by id) as ids from a")).toEqual([
    { ids: [1, 2] },
  ]);
});
