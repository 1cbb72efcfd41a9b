import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CreateBucketCommand, GetObjectCommand, ListObjectsV2Command } from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Manifest } from "../../operate/backup/format/manifest.ts";
import type { ListResult } from "../../operate/backup/store/list-backups.ts";
import type { BackupResult } from "../../operate/backup/take/take-backup.ts";
import { findSecrets, ProcessWatch, renderProcesses } from "../support/secrets.ts";
import { canRun, Stage, startS3 } from "./stage.ts";

const SCHEMA = `
  create extension vector;
  create table docs (id bigint primary key, body text, embedding vector(3));
  insert into docs select i, md5(i::text), array[i, i % 7, 1]::vector from generate_series(1, 5000) i;
  create index on docs using hnsw (embedding vector_l2_ops);
  create schema pgstead;
  create table pgstead.schema_migrations (version text, state text, repeatable bool);
  insert into pgstead.schema_migrations values ('0001_a', 'applied', false), ('0002_b', 'applied', false);
  create schema audit; create table audit.head (seq bigint, hmac bytea);
  insert into audit.head values (7, '\\xabcd');
  alter database app set work_mem = '9MB';
  create role app login password 'sesame';
  create table secret_rows (tenant int);
  insert into secret_rows values (1), (2), (3);
  alter table secret_rows enable row level security; alter table secret_rows force row level security;
  select lo_from_bytea(0, 'large')`;

describe.runIf(canRun)("the agent", () => {
  let stage: Stage;
  let s3: ReturnType<typeof startS3>;
  const bucket = `agent-${process.pid}`;

  beforeAll(async () => {
    s3 = startS3();
    await s3.client.send(new CreateBucketCommand({ Bucket: bucket }));
    stage = await Stage.start();
    stage.write({
      backups: {
        auditHead: "audit.head",
        bucket: {
          ...{ name: bucket, endpoint: s3.endpoint, pathStyle: true, prefix: "team/" },
          credentialsFile: stage.writeKey(),
        },
      },
    });
    await stage.sql(SCHEMA);
  });
  afterAll(() => stage?.stop());

  let made: BackupResult;

  test("S13: a backup is a checked dump with a manifest, in the folder and in the bucket", async () => {
    const { code, stdout } = await stage.pgstead("backup", "now", "--json");
    expect(code, stdout).toBe(0);
    made = JSON.parse(stdout);
    const { manifest } = made;
    expect(made.uploaded).toEqual([manifest.id]);
    expect(made.uploadError).toBeNull();
    expect(manifest).toMatchObject({
      database: "app",
      complete: true,
      warnings: [],
      dumpVersion: expect.stringMatching(/^18/),
      schemaVersion: "0002_b",
      auditHead: { seq: 7 },
      rows: { "public.docs": 5000, "public.secret_rows": 3 },
      walPosition: expect.stringMatching(/^[0-9A-F]+\/[0-9A-F]+$/),
      trigger: "now",
    });
    const parts = [".dump", ".globals.sql", ".json", ".properties.sql"];
    const names = parts.map((part) => `${manifest.id}${part}`);
    expect(readdirSync(stage.backups).sort()).toEqual(names);
    for (const name of names) expect(statSync(join(stage.backups, name)).mode & 0o077).toBe(0);
    const { Contents } = await s3.client.send(new ListObjectsV2Command({ Bucket: bucket }));
    expect(Contents?.map(({ Key }) => Key).sort()).toEqual([
      ...names.map((name) => `team/dumps/${name}`),
      ...parts.map((part) => `team/keep/a/backup${part}`),
    ]);
  });

  test("the dump restores with equal rows, indexes, row security and large objects", async () => {
    await stage.sql("create database again template template0", "postgres");
    const restored = await stage.inAgent(
      ...["pg_restore", "--exit-on-error", "-U", "postgres", "-d", "again"],
      `/backups/${made.manifest.dump.file}`,
    );
    expect(restored.stderr).toBe("");
    for (const query of [
      "select count(*), sum(id), md5(string_agg(body, '' order by id)) from docs",
      "select count(*) from secret_rows",
      "select string_agg(indexdef, ';' order by indexdef) from pg_indexes where schemaname = 'public'",
      "select count(*) from pg_largeobject",
      "select relforcerowsecurity from pg_class where relname = 'secret_rows'",
      // S22: planned from the first query on.
      "select count(*) from pg_stats where tablename = 'docs'",
    ]) {
      expect(await stage.sql(query, "again"), query).toBe(await stage.sql(query));
    }
    await stage.sql("drop database again", "postgres");
  });

  test("S12: properties of the database are saved, and no password verifier is", () => {
    const { properties, globals } = made.manifest;
    const read = (file: string) => readFileSync(join(stage.backups, file), "utf8");
    expect(read(properties!.file)).toContain("ALTER DATABASE app SET work_mem TO '9MB'");
    expect(read(globals!.file)).toContain("CREATE ROLE app");
    expect(read(globals!.file)).not.toMatch(/PASSWORD|SCRAM/);
  });

  test("list, show and get tell the same from either copy", async () => {
    const { id, dump } = made.manifest;
    const local = JSON.parse((await stage.pgstead("backup", "list", "--json")).stdout);
    expect((local as ListResult).backups).toMatchObject([
      { id, good: true, copies: ["local", "bucket"], size: dump.size, problem: null },
    ]);
    // The host burned down; the bucket is left.
    await stage.inAgent("sh", "-c", "mkdir /tmp/away && mv /backups/* /tmp/away");
    const remote = JSON.parse((await stage.pgstead("backup", "list", "--json")).stdout);
    expect((remote as ListResult).backups).toMatchObject([{ id, copies: ["bucket"] }]);
    const shown = await stage.pgstead("backup", "show", "latest");
    expect(shown.stdout).toContain("public.docs: 5000 rows");
    const piped = await stage.inAgent(
      ...[
        "sh",
        "-c",
        "node /usr/local/lib/pgstead/pgstead.cjs backup get latest --out - | sha256sum",
      ],
    );
    expect(piped.stdout).toContain(dump.sha256);
    await stage.inAgent("sh", "-c", "mv /tmp/away/* /backups");
  });

  test("what a person wants to read or carry away leaves no trace in the folder", async () => {
    const before = readdirSync(stage.backups);
    const plain = await stage.inAgent(
      "sh",
      "-c",
      "node /usr/local/lib/pgstead/pgstead.cjs backup now --plain --out /tmp/x.sql.gz && zcat /tmp/x.sql.gz | tail -n 5",
    );
    expect(plain.stdout).toContain("PostgreSQL database dump complete");
    const custom = await stage.inAgent(
      ...["sh", "-c", "node /usr/local/lib/pgstead/pgstead.cjs backup now --out - | pg_restore -l"],
    );
    expect(custom.stdout).toContain("TABLE DATA public docs");
    expect(readdirSync(stage.backups)).toEqual(before);
  });

  test("a plain backup counts like any other", async () => {
    const { code, stdout } = await stage.pgstead("backup", "now", "--plain", "--json");
    expect(code).toBe(0);
    const { manifest } = JSON.parse(stdout) as BackupResult;
    expect(manifest.format).toBe("plain");
    expect(existsSync(join(stage.backups, `${manifest.id}.sql.gz`))).toBe(true);
  });

  test("S16: of two backups in turn, the newest is always whole under keep/", async () => {
    const kept = async (slot: string) => {
      const Key = `team/keep/${slot}/backup.json`;
      const { Body } = await s3.client.send(new GetObjectCommand({ Bucket: bucket, Key }));
      return JSON.parse((await Body?.transformToString()) ?? "{}") as Manifest;
    };
    const [a, b] = [await kept("a"), await kept("b")];
    expect(a.id).toBe(made.manifest.id);
    expect(b.startedAt > a.startedAt).toBe(true);
    const { Body } = await s3.client.send(
      new GetObjectCommand({ Bucket: bucket, Key: "team/keep/a/backup.dump" }),
    );
    const sum = createHash("sha256").update((await Body?.transformToByteArray()) ?? "");
    expect(sum.digest("hex")).toBe(a.dump.sha256);
  });

  test("S17: the key is in no log, answer, environment or process list while it dumps and uploads", async () => {
    const KEY = "s3same-0pen";
    stage.writeKey("fixture", KEY);
    const watch = await ProcessWatch.start();
    const { code, stdout, stderr } = await stage.pgstead("backup", "now", "--json");
    const processes = renderProcesses(await watch.stop());
    expect(code, stderr).toBe(0);
    expect(processes).toMatch(/pg_dump .*\/backups\//);
    const { manifest, uploaded } = JSON.parse(stdout) as BackupResult;
    expect(uploaded).toEqual([manifest.id]);
    const written = readdirSync(stage.backups, { withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ name }) => readFileSync(join(stage.backups, name), "latin1"));
    const places = {
      answer: stdout + stderr,
      log: stage.logs(),
      files: written.join("\n"),
      processes,
    };
    expect(findSecrets({ key: KEY }, places)).toEqual([]);
  });

  /** Takes a backup whose pg_dump runs this shell command first. */
  const backupAfter = async (command: string) => {
    const folder = join(stage.folder, "program", "wrapped");
    mkdirSync(folder, { recursive: true });
    const script = `#!/bin/sh
PATH="\${PATH#*:}"
case "$*" in *--file=*) ${command};; esac
exec pg_dump "$@"
`;
    writeFileSync(join(folder, "pg_dump"), script, { mode: 0o755 });
    const now = "node /usr/local/lib/pgstead/pgstead.cjs backup now --json";
    const path = "PATH=/usr/local/lib/pgstead/wrapped:$PATH";
    const { code, stdout, stderr } = await stage.inAgent("sh", "-c", `${path} exec ${now}`);
    expect(stdout, stderr).toContain("manifest");
    return { code, manifest: (JSON.parse(stdout) as BackupResult).manifest };
  };

  test("S13: a row that is written when pg_dump starts is neither in the dump nor in the counts", async () => {
    await stage.sql("create table written as select 1 as n");
    const { code, manifest } = await backupAfter('psql -qc "insert into written values (2)"');
    expect(code).toBe(0);
    expect(await stage.sql("select count(*) from written")).toBe("2");
    expect(manifest.rows["public.written"]).toBe(1);
    const dump = `/backups/${manifest.dump.file}`;
    const { stdout } = await stage.inAgent(
      ...["pg_restore", "--data-only", "--table=written", "--file=-", dump],
    );
    expect(stdout.match(/^\d+$/gm)).toEqual(["1"]);
  });

  test("S5: a dump that pg_dump warned about is incomplete, and does not count", async () => {
    const warning = "pg_dump: warning: rows of a table were left out";
    const { code, manifest } = await backupAfter(`echo "${warning}" >&2`);
    expect(code).toBe(2);
    expect(manifest).toMatchObject({ complete: false, warnings: [warning] });
    const { backups } = JSON.parse(
      (await stage.pgstead("backup", "list", "--json")).stdout,
    ) as ListResult;
    expect(backups.find(({ id }) => id === manifest.id)).toMatchObject({ good: false });
    const latest = JSON.parse((await stage.pgstead("backup", "show", "--json")).stdout);
    expect(latest.manifest.id).not.toBe(manifest.id);
  });
});
