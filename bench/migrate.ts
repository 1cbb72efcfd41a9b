import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { buildSync } from "esbuild";
import pg from "pg";
import { startServer, type TestServer } from "../test/support/server.ts";
import { measure, type Run } from "./measure.ts";

/** `tsx bench/migrate.ts [no-op] [empty] [list]`: compares our runner with others in the same run. */
const asked = process.argv.slice(2);
const wanted = (name: string) => asked.length === 0 || asked.includes(name);
const folder = mkdtempSync(join(tmpdir(), "pgstead-bench-"));
const failures: string[] = [];

async function main(): Promise<void> {
  const server = await startServer();
  try {
    if (wanted("no-op")) await runNoOp(server);
    if (wanted("empty")) for (const count of [200, 2000]) await runOnEmpty(server, count);
    if (wanted("list")) await listMany(server, 10_000);
  } finally {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  }
  for (const failure of failures) console.log(`MISSED: ${failure}`);
  process.exitCode = failures.length > 0 ? 1 : 0;
}

/** Compares with the least possible: Node, `pg` and a query of one row. */
async function runNoOp(on: TestServer): Promise<void> {
  const files = writeFiles(200);
  await recreate(on, "bench_pgstead", "bench_npm");
  await measure({ ours: pgstead(on, files, "up"), npm: nodePgMigrate(on, files) }, 1);
  const bare = join(folder, "bare.cjs");
  const source = `import pg from "pg"; const c = new pg.Client(process.env.DATABASE_URL);
    c.connect().then(() => c.query("select 1")).then(({ rows }) => { console.log(rows[0]); return c.end(); });`;
  buildSync({
    stdin: { contents: source, resolveDir: process.cwd() },
    ...{ bundle: true, platform: "node", format: "cjs", outfile: bare, external: ["pg-native"] },
  });
  const result = await measure(
    {
      bare: { command: ["node", bare], env: { DATABASE_URL: url(on, "bench_pgstead") } },
      ours: pgstead(on, files, "up"),
      "node-pg-migrate": nodePgMigrate(on, files),
    },
    21,
  );
  report("no-op, whole process, 200 files applied", result);
  expectRatio("no-op against a bundled bare pg script", result.ours, result.bare, 1.3);
  expectRatio("no-op against node-pg-migrate", result.ours, result["node-pg-migrate"], 1);
}

async function runOnEmpty(on: TestServer, count: number): Promise<void> {
  const files = writeFiles(count);
  const fresh = (name: string) => ({ prepare: () => recreate(on, name) });
  const result = await measure(
    {
      ours: { ...pgstead(on, files, "up"), ...fresh("bench_pgstead") },
      dbmate: { ...dbmate(on, files), ...fresh("bench_dbmate") },
      "node-pg-migrate": { ...nodePgMigrate(on, files), ...fresh("bench_npm") },
    },
    count > 1000 ? 3 : 7,
  );
  report(`${count} files on an empty database`, result);
  expectRatio(`${count} files against dbmate`, result.ours, result.dbmate, 1);
  expectRatio(`${count} files against node-pg-migrate`, result.ours, result["node-pg-migrate"], 1);
}

async function listMany(on: TestServer, count: number): Promise<void> {
  const files = writeFiles(count);
  await recreate(on, "bench_pgstead");
  process.env.BENCH_MEMORY = "1";
  const first = await measure({ up: pgstead(on, files, "up") }, 1);
  const result = await measure({ list: pgstead(on, files, "list") }, 5);
  process.env.BENCH_MEMORY = "";
  report(`${count} files`, { ...first, ...result });
  if ((result.list?.seconds ?? 9) > 1) failures.push(`list over ${count} files took over a second`);
}

interface Files {
  plain: string;
  dbmate: string;
  nodePgMigrate: string;
}

const padded = (i: number) => String(i).padStart(14, "0");
const statement = (i: number) => `create table t${i} (id int primary key, name text not null);\n`;

/** Writes the same SQL in the format of each tool. */
function writeFiles(count: number): Files {
  const base = join(folder, String(count));
  const files = {
    plain: join(base, "plain"),
    dbmate: join(base, "dbmate"),
    nodePgMigrate: join(base, "npm"),
  };
  for (const one of Object.values(files)) mkdirSync(one, { recursive: true });
  for (let i = 1; i <= count; i++) {
    const name = `${padded(i)}_t.sql`;
    writeFileSync(join(files.plain, name), statement(i));
    writeFileSync(join(files.dbmate, name), `-- migrate:up\n${statement(i)}\n-- migrate:down\n`);
    writeFileSync(join(files.nodePgMigrate, name), statement(i));
  }
  return files;
}

function pgstead(on: TestServer, { plain }: Files, verb: string): Run {
  const settings = join(plain, "..", "settings.json");
  const passwordFile = join(plain, "..", "password");
  writeFileSync(passwordFile, on.password);
  const database = { host: on.host, port: on.port, name: "bench_pgstead", user: on.superuser };
  writeFileSync(
    settings,
    JSON.stringify({
      ...{ stack: "bench", engine: "docker", migrations: { folder: plain } },
      database: { ...database, passwordFile },
    }),
  );
  const bundle = resolve("dist/start.cjs");
  return { command: ["node", bundle, "migrate", verb, "--json", "--settings", settings] };
}

const dbmate = (on: TestServer, files: Files): Run => ({
  command: [
    resolve(`node_modules/@dbmate/${process.platform}-${process.arch}/bin/dbmate`),
    ...["--url", `${url(on, "bench_dbmate")}?sslmode=disable`],
    ...["--migrations-dir", files.dbmate, "--no-dump-schema", "migrate"],
  ],
});

/** Its default is one transaction for all files. We compare one commit for each file. */
const nodePgMigrate = (on: TestServer, files: Files): Run => ({
  command: [
    ...["node", resolve("node_modules/node-pg-migrate/bin/node-pg-migrate.js"), "up"],
    ...["--migrations-dir", files.nodePgMigrate, "--no-single-transaction"],
  ],
  env: { DATABASE_URL: url(on, "bench_npm") },
});

const url = ({ host, port, superuser, password }: TestServer, database: string) =>
  `postgres://${superuser}:${password}@${host}:${port}/${database}`;

async function recreate(on: TestServer, ...names: string[]): Promise<void> {
  const client = new pg.Client(url(on, "postgres"));
  await client.connect();
  for (const name of names) {
    await client.query(`drop database if exists ${name} with (force)`);
    await client.query(`create database ${name}`);
  }
  // Without this, the next run would wait for the writes of `create database`.
  await client.query("checkpoint");
  await client.end();
}

type Results = Awaited<ReturnType<typeof measure>>;

function report(title: string, results: Results): void {
  console.log(`\n${title}`);
  for (const [name, { seconds, best, peakMegabytes }] of Object.entries(results)) {
    const memory = peakMegabytes ? `  peak ${peakMegabytes.toFixed(0)} MB` : "";
    const times = `${seconds.toFixed(3)} s  best ${best.toFixed(3)} s`;
    console.log(`  ${name.padEnd(16)} ${times}${memory}`);
  }
}

/** Compares the best runs: on a shared machine, the others measure the load of other programs. */
function expectRatio(
  what: string,
  ours: Results[string] | undefined,
  theirs: Results[string] | undefined,
  limit: number,
): void {
  const ratio = (ours?.best ?? Number.NaN) / (theirs?.best ?? Number.NaN);
  console.log(`  ${what}: ${ratio.toFixed(2)}x, at most ${limit}`);
  if (!(ratio <= limit)) failures.push(`${what}: ${ratio.toFixed(2)}x`);
}

await main();
