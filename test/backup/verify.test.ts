import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
  CreateBucketCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
} from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Proof } from "../../operate/backup/format/proof.ts";
import type { ListResult } from "../../operate/backup/store/list-backups.ts";
import { findNewestProven } from "../../operate/backup/store/newest-proven.ts";
import type { BackupResult } from "../../operate/backup/take/take-backup.ts";
import { readSettings } from "../../operate/settings.ts";
import { canRun, Stage, startS3 } from "./stage.ts";

const SCHEMA = `
  create extension vector; create extension pgcrypto;
  create role app login password 'sesame'; create role owner;
  create table docs (id bigserial primary key, body text not null, embedding vector(3), check (length(body) > 0));
  insert into docs (body, embedding) select md5(i::text), array[i, i % 7, 1]::vector from generate_series(1, 5000) i;
  create index on docs using hnsw (embedding vector_l2_ops);
  create index on docs using ivfflat (embedding vector_cosine_ops) with (lists = 10);
  create table parts (day date, doc bigint references docs) partition by range (day);
  create table parts_a partition of parts for values from ('2026-01-01') to ('2026-07-01');
  insert into parts select '2026-02-03', id from docs limit 40;
  create materialized view summary as select count(*) as n from docs;
  create function touch() returns trigger language plpgsql as 'begin return new; end';
  create trigger touched before update on docs for each row execute function touch();
  create policy own on docs to app using (id > 0); alter table docs enable row level security;
  alter table docs owner to owner; grant select on docs to app;
  alter database app set work_mem = '9MB'; grant connect on database app to app;
  create schema pgstead;
  create table pgstead.schema_migrations (version text, state text, repeatable bool);
  insert into pgstead.schema_migrations values ('0002_b', 'applied', false);
  create schema audit; create table audit.head (seq bigint, hmac bytea);
  insert into audit.head values (7, '\\\\xabcd');
  select lo_from_bytea(0, 'large');`;

describe.runIf(canRun)("a backup", () => {
  let stage: Stage;
  let s3: ReturnType<typeof startS3>;
  const bucket = `verify-${process.pid}`;
  let first: BackupResult["manifest"];

  beforeAll(async () => {
    s3 = startS3();
    await s3.client.send(new CreateBucketCommand({ Bucket: bucket }));
    stage = await Stage.start({}, ["--tmpfs", "/small:size=200m,uid=999,mode=700"]);
    write();
    await stage.sql(SCHEMA.replaceAll("\\\\", "\\"));
  });
  afterAll(() => stage?.stop());

  const write = (more: object = {}, backups: object = {}) =>
    stage.write({
      ...more,
      backups: {
        auditHead: "audit.head",
        bucket: {
          ...{ name: bucket, endpoint: s3.endpoint, pathStyle: true },
          credentialsFile: stage.writeKey(),
        },
        sealKeyFile: stage.writeFile("seal-key", "a key of twenty letters"),
        ...backups,
      },
    });
  const backup = async (...args: string[]) => {
    const { code, stdout, stderr } = await stage.pgstead("backup", "now", "--json", ...args);
    expect(code, stdout + stderr).toBe(0);
    return (JSON.parse(stdout) as BackupResult).manifest;
  };
  const verify = async (...args: string[]) => {
    const { code, stdout, stderr } = await stage.pgstead("backup", "verify", "--json", ...args);
    return { code, stderr, proof: JSON.parse(stdout) as Proof };
  };
  const listed = async () =>
    (JSON.parse((await stage.pgstead("backup", "list", "--json")).stdout) as ListResult).backups;
  const kept = async () => {
    const { Contents = [] } = await s3.client.send(
      new ListObjectsV2Command({ Bucket: bucket, Prefix: "keep/" }),
    );
    const proofs = Contents.map(({ Key }) => Key ?? "").filter((key) => key.endsWith(".proof"));
    return Promise.all(
      proofs.map(async (Key) => {
        const { Body } = await s3.client.send(new GetObjectCommand({ Bucket: bucket, Key }));
        return (JSON.parse((await Body?.transformToString()) ?? "") as Proof).id;
      }),
    );
  };

  const seenFromHere = (folder: string) => {
    const key = stage.writeKey();
    const settings = readSettings(join(stage.folder, "files", "settings.json"));
    const { bucket: there } = settings.backups!;
    const here = (file: string) => file.replace("/run/pgstead", join(stage.folder, "files"));
    const credentialsFile = here(key);
    const sealKeyFile = here(settings.backups!.sealKeyFile!);
    return {
      ...settings,
      backups: {
        ...settings.backups!,
        folder,
        sealKeyFile,
        bucket: { ...there!, credentialsFile },
      },
    };
  };

  test("S13, S14, S22: is restored, compared and from then on proven", async () => {
    first = await backup();
    expect((await listed())[0]).toMatchObject({ proof: null, good: true });
    expect(await kept()).toEqual([]);
    const { code, proof, stderr } = await verify();
    expect(proof.problems, stderr).toEqual([]);
    expect(code).toBe(0);
    expect(proof).toMatchObject({
      ...{ id: first.id, state: "proven", sha256: first.dump.sha256, from: "local" },
      ...{ restorableTo: first.startedAt, rows: 5000 + 40 + 2, tables: 4 },
    });
    expect(proof.compared).toEqual([
      "4 tables with 5042 rows",
      "content of 4 tables",
      "11 kinds of objects",
      "1 sequences",
      "2 vector queries",
      "2 checks",
    ]);
    expect(proof.restoreSeconds).toBeGreaterThan(0);
    expect((await listed())[0]).toMatchObject({ proof: { state: "proven" } });
    expect(await kept()).toEqual([first.id]);
    expect((await stage.pgstead("backup", "list")).stdout).toContain("proven 0 min ago");
    const told = { id: first.id, takenAt: first.startedAt, provenAt: proof.verifiedAt };
    expect(await findNewestProven(seenFromHere(stage.backups))).toEqual(told);
    // The host burned down.
    expect(await findNewestProven(seenFromHere("/nowhere"))).toEqual(told);
    // S15: nothing of the scratch server stays.
    expect(readdirSync(stage.backups).filter((name) => name.startsWith("."))).toEqual([]);
    const left = await stage.inAgent(
      "sh",
      "-c",
      `ls -A /tmp; cat /proc/[0-9]*/cmdline | tr '\\0' ' '`,
    );
    expect(left.stdout).not.toMatch(/pgstead-(?!verify\.home)/);
    expect(left.stdout).not.toContain("postgres -D");
    expect(left.stdout).toContain("sleep infinity");
  });

  test("S15: that is being proven when the verb is killed leaves no server, and is proven by the next", async () => {
    const servers = async () =>
      (await stage.inAgent("sh", "-c", `cat /proc/[0-9]*/cmdline | tr '\\0' ' '`)).stdout.split(
        "postgres -D",
      ).length - 1;
    await stage.sql("create materialized view held as select 1 as n from pg_sleep(3)");
    await backup();
    const running = stage.pgstead("backup", "verify", "--json");
    while ((await servers()) === 0) await sleep(50);
    await stage.inAgent(
      ...["sh", "-c"],
      `for p in /proc/[0-9]*; do tr '\\0' ' ' <$p/cmdline 2>/dev/null | grep -q '^node .*backup verify' && kill -KILL \${p#/proc/}; done; true`,
    );
    expect((await running).code).not.toBe(0);
    for (let tries = 0; (await servers()) > 0 && tries < 100; tries++) await sleep(50);
    expect(await servers()).toBe(0);
    expect((await listed())[0]).toMatchObject({ proof: null });
    await stage.sql("drop materialized view held");
    const { proof } = await verify();
    expect(proof.state).toBe("proven");
    expect(readdirSync(stage.backups).filter((name) => name.startsWith("."))).toEqual([]);
  });

  test("S17: of the bucket is proven by itself, and told when it alone is damaged", async () => {
    expect((await verify(first.id, "--from-bucket")).proof).toMatchObject({
      ...{ state: "proven", from: "bucket", id: first.id },
    });
    const Key = `dumps/${first.dump.file}`;
    const { Body } = await s3.client.send(new GetObjectCommand({ Bucket: bucket, Key }));
    const whole = await Body!.transformToByteArray();
    await s3.client.send(
      new PutObjectCommand({ Bucket: bucket, Key, Body: whole.slice(0, whole.length - 9) }),
    );
    const { code, proof } = await verify(first.id, "--from-bucket");
    expect(code).toBe(2);
    expect(proof.problems).toEqual([`${first.dump.file} is damaged: it differs from its manifest`]);
    expect((await listed()).find(({ id }) => id === first.id)).toMatchObject({
      ...{ proof: { state: "proven" }, bucketProof: { state: "failed" } },
    });
    await s3.client.send(new PutObjectCommand({ Bucket: bucket, Key, Body: whole }));
  });

  test("as SQL text is proven like any other", async () => {
    const plain = await backup("--plain");
    const { proof } = await verify();
    expect(proof).toMatchObject({ id: plain.id, state: "proven", problems: [] });
  });

  test("S13: whose manifest was changed does not count, and is told", async () => {
    const { id } = await backup();
    const file = join(stage.backups, `${id}.json`);
    const text = readFileSync(file, "utf8");
    writeFileSync(file, text.replace('"public.docs": 5000', '"public.docs": 4999'));
    expect((await listed())[0]).toMatchObject({ id, standing: "broken", good: false });
    expect((await stage.pgstead("backup", "list")).stdout).toContain("MANIFEST CHANGED");
    const { code, proof } = await verify(id);
    expect(code).toBe(2);
    expect(proof.problems[0]).toContain("its seal is broken");
    const latest = JSON.parse((await stage.pgstead("backup", "show", "--json")).stdout);
    expect(latest.manifest.id).not.toBe(id);
    // As after the stack's state was lost: still a backup, said to be from elsewhere, to be tried anew.
    writeFileSync(file, text);
    stage.writeFile("seal-key", "another key of some letters");
    expect((await listed())[0]).toMatchObject({
      ...{ id, standing: "foreign", good: true, proof: null },
    });
    write();
    expect((await listed())[0]).toMatchObject({ id, standing: "sound" });
    await stage.inAgent("rm", `/backups/${id}.json`);
    const { stdout } = await stage.pgstead("backup", "list");
    expect(stdout).toContain(`no backups, because they have no manifest: ${id}`);
    await stage.inAgent("sh", "-c", `rm /backups/${id}*`);
  });

  test("S14: that lacks what its manifest counts has failed, and is not what is kept", async () => {
    const { id } = await backup();
    const before = await kept();
    const file = join(stage.backups, `${id}.json`);
    const manifest = JSON.parse(readFileSync(file, "utf8"));
    // As an agent without a key would have written it.
    delete manifest.seal;
    manifest.rows["public.docs"] += 1;
    manifest.objects.policies += 1;
    manifest.sums["public.summary"] = "0".repeat(32);
    manifest.sequences["public.docs_id_seq"].at = "6000";
    manifest.auditHead.seq = 8;
    writeFileSync(file, JSON.stringify(manifest));
    const { code, proof } = await verify(id);
    expect(code).toBe(2);
    expect(proof.problems).toEqual([
      "rows of public.docs: 5000 instead of 5001",
      "number of policies: 1 instead of 2",
      `content of public.summary: none instead of ${"0".repeat(32)}`,
      "sequence public.docs_id_seq is at 5000, behind 6000",
      String.raw`auditHead: {"seq":7,"hmac":"\\xabcd"} instead of {"seq":8,"hmac":"\\xabcd"}`,
    ]);
    expect((await stage.pgstead("backup", "list")).stdout).toContain("FAILED TO RESTORE");
    expect((await kept()).sort()).toEqual(before.sort());
  });

  test("of before the head of an audit log was configured has none, and is proven", async () => {
    write({}, { auditHead: undefined });
    const { id, auditHead } = await backup();
    expect(auditHead).toBeNull();
    write();
    expect((await verify(id)).proof).toMatchObject({ state: "proven", problems: [] });
  });

  test("that fails the stack's own checks has failed", async () => {
    write({
      checks: [
        { name: "documents", sql: "select count(*) from docs", expect: 1 },
        { name: "site", url: "http://127.0.0.1:9/" },
      ],
    });
    const { proof } = await verify(first.id);
    expect(proof.problems).toEqual([`check "documents": got 5000, expected 1`]);
    write();
  });

  test("whose file was cut off by hand has failed", async () => {
    const { id, dump } = await backup();
    writeFileSync(join(stage.backups, dump.file), "");
    expect((await verify(id)).proof).toMatchObject({
      ...{ state: "failed", problems: [`${dump.file} is damaged: it differs from its manifest`] },
    });
  });

  test("S15: that does not fit this host could not be verified, which is never a pass", async () => {
    write({}, { folder: "/small" });
    await backup();
    const { code, proof } = await verify();
    expect(code).toBe(4);
    expect(proof.state).toBe("unverified");
    expect(proof.problems[0]).toContain("not enough space in /small");
    expect((await stage.pgstead("backup", "list")).stdout).toContain("could not verify");
    write();
  });
});
