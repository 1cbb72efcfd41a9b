import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { PGlite } from "@electric-sql/pglite";
import { pgcrypto } from "@electric-sql/pglite/contrib/pgcrypto";
import { vector } from "@electric-sql/pglite-pgvector";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Proof } from "../../operate/backup/format/proof.ts";
import type { BackupResult } from "../../operate/backup/take/take-backup.ts";
import { freePort } from "../support/free-port.ts";

const folder = mkdtempSync(join(tmpdir(), "pgstead-embedded-"));
const settingsFile = join(folder, "settings.json");
const pgstead = (...args: string[]) =>
  spawnSync(process.execPath, ["dist/pgstead.cjs", ...args, "--settings", settingsFile], {
    encoding: "utf8",
    timeout: 60_000,
  });

describe("the embedded server", () => {
  let server: ReturnType<typeof spawn>;
  let client: pg.Client;

  beforeAll(async () => {
    const port = await freePort();
    const settings = {
      ...{ stack: "test", engine: "embedded" },
      database: { host: "127.0.0.1", port, name: "app", user: "postgres" },
      embedded: { folder },
      migrations: { folder: "/migrations" },
      backups: { folder: join(folder, "backups") },
    };
    writeFileSync(settingsFile, JSON.stringify(settings));
    const args = ["dist/pgstead.cjs", "serve", "--settings", settingsFile];
    server = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
    await new Promise<void>((resolve, reject) => {
      server.once("exit", (code) => reject(new Error(`the server ended with ${code}`)));
      server.stdout?.on("data", (text) => String(text).includes("ready") && resolve());
    });
    client = new pg.Client({ host: "127.0.0.1", port, user: "app", database: "app" });
    await client.connect();
    await client.query(
      "create table docs as select i as id, md5(i::text) as body, array[i, 2, 3]::vector as e from generate_series(1, 3000) i",
    );
  });
  afterAll(async () => {
    await client?.end();
    server?.kill("SIGTERM");
    if (server.exitCode === null) await new Promise((resolve) => server.once("exit", resolve));
    rmSync(folder, { recursive: true });
  });

  test("is backed up while clients are connected, as SQL that restores", async () => {
    const { status, stdout } = pgstead("backup", "now", "--json");
    expect(status, stdout).toBe(0);
    const { manifest } = JSON.parse(stdout) as BackupResult;
    expect(manifest).toMatchObject({ format: "plain", complete: true, pgvectorVersion: "0.8.7" });
    const sql = gunzipSync(readFileSync(join(folder, "backups", manifest.dump.file))).toString();
    const again = await PGlite.create({ extensions: { vector, pgcrypto } });
    await again.exec(sql);
    const sum = "select count(*)::int as n, sum(id)::int as s, max(e::text) as e from public.docs";
    expect((await again.query(sum)).rows).toEqual((await client.query(sum)).rows);
    await again.close();
  });

  test("S14: its backup is proven in another one of its kind", async () => {
    const { status, stdout, stderr } = pgstead("backup", "verify", "--json");
    const proof = JSON.parse(stdout) as Proof;
    expect(proof.problems, stderr).toEqual([]);
    expect(status).toBe(0);
    expect(proof).toMatchObject({ state: "proven", rows: 3000 });
    expect(pgstead("backup", "list").stdout).toContain("proven 0 min ago");
    const file = join(folder, "backups", `${proof.id}.json`);
    const manifest = JSON.parse(readFileSync(file, "utf8"));
    manifest.rows["public.docs"] = 3001;
    writeFileSync(file, JSON.stringify(manifest));
    const failed = pgstead("backup", "verify", "--json");
    expect(failed.status).toBe(2);
    expect(JSON.parse(failed.stdout).problems).toEqual([
      "rows of public.docs: 3000 instead of 3001",
    ]);
  });

  test("goes on as if nobody had dumped it: settings and prepared statements are the clients' own", async () => {
    await client.query({ name: "mine", text: "select count(*)::int as n from docs" });
    await client.query("set statement_timeout = '7s'");
    for (const _ of [1, 2]) expect(pgstead("backup", "now").status).toBe(0);
    const { rows } = await client.query({
      name: "mine",
      text: "select count(*)::int as n from docs",
    });
    expect(rows).toEqual([{ n: 3000 }]);
    expect((await client.query("show statement_timeout")).rows[0].statement_timeout).toBe("7s");
    expect((await client.query("show search_path")).rows[0].search_path).toContain("public");
    const { rows: left } = await client.query("select name from pg_prepared_statements");
    expect(left).toEqual([{ name: "mine" }]);
  });

  test("fails without a trace when nobody serves", async () => {
    const before = readdirSync(join(folder, "backups"));
    const port = await freePort();
    const settings = JSON.parse(readFileSync(settingsFile, "utf8"));
    const other = join(folder, "other.json");
    writeFileSync(other, JSON.stringify({ ...settings, database: { ...settings.database, port } }));
    const { status, stderr } = spawnSync(
      process.execPath,
      ["dist/pgstead.cjs", "backup", "now", "--settings", other],
      { encoding: "utf8", timeout: 60_000 },
    );
    expect(status).toBe(3);
    expect(stderr).toContain("is not running");
    expect(readdirSync(join(folder, "backups"))).toEqual(before);
  });
});
