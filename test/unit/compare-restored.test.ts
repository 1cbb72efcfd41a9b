import { afterAll, beforeAll, expect, test } from "vitest";
import { readCensus } from "../../operate/backup/format/census.ts";
import type { Manifest } from "../../operate/backup/format/manifest.ts";
import { compareWithManifest } from "../../operate/backup/prove/compare-restored.ts";
import { readDatabaseFacts } from "../../operate/backup/take/dump-snapshot.ts";
import { withClient } from "../../operate/connect/database.ts";
import type { Settings } from "../../operate/settings.ts";
import { withEmbedded } from "../support/embedded.ts";

const SCHEMA = `
  create table docs (id bigserial primary key, e vector(3));
  insert into docs (e) select array[i, 1, 1]::vector from generate_series(1, 20) i;
  create index docs_e on docs using hnsw (e vector_l2_ops);
  create index docs_none on docs using hnsw (e vector_l2_ops) where id < 0;
  create schema pgstead;
  create table pgstead.schema_migrations (version text, state text, repeatable bool);
  insert into pgstead.schema_migrations values ('0002_b', 'applied', false);
  create schema audit; create table audit.head (seq bigint, hmac text);
  insert into audit.head values (7, 'abcd')`;

let restored: Settings;
let manifest: Manifest;
let end = () => {};
let closed: Promise<void>;

beforeAll(async () => {
  await new Promise<void>((resolve) => {
    closed = withEmbedded("/none", async (settings, database) => {
      await database.exec("create extension vector");
      await database.exec(SCHEMA);
      restored = settings;
      const seen = await withClient(settings, { purpose: "test" }, async (client) => ({
        ...(await readDatabaseFacts(client, "audit.head")),
        ...(await readCensus(client)),
      }));
      manifest = seen as unknown as Manifest;
      const ended = new Promise<void>((done) => {
        end = done;
      });
      resolve();
      await ended;
    });
  });
});
afterAll(() => {
  end();
  return closed;
});

const compare = (change: Partial<Manifest> = {}, auditHead: string | undefined = "audit.head") =>
  compareWithManifest(
    restored,
    { ...manifest, ...change },
    { checks: [], backups: { auditHead } as NonNullable<Settings["backups"]> },
  );

test("S14: a restored copy equals its manifest, and what was not queried is in the proof", async () => {
  expect(await compare()).toEqual({
    problems: [],
    compared: [
      "3 tables with 22 rows",
      "content of 3 tables",
      "11 kinds of objects",
      "1 sequences",
      "1 vector queries",
      "no query of the vector indexes public.docs_none (no row is in it)",
      expect.stringMatching(/^\d checks$/),
    ],
  });
});

test.each<[string, Partial<Manifest>, string]>([
  ["schema version", { schemaVersion: "0003_c" }, 'schemaVersion: "0002_b" instead of "0003_c"'],
  ["no schema version", { schemaVersion: null }, 'schemaVersion: "0002_b" instead of null'],
  [
    "head of the audit log",
    { auditHead: { seq: 8, hmac: "abcd" } },
    'auditHead: {"seq":7,"hmac":"abcd"} instead of {"seq":8,"hmac":"abcd"}',
  ],
  ["version of pgvector", { pgvectorVersion: "0.1.0" }, 'instead of "0.1.0"'],
  ["number of rows", { rows: { "public.docs": 21 } }, "rows of public.docs: 20 instead of 21"],
  ["number of objects", { objects: { indexes: 9 } }, "number of indexes: 3 instead of 9"],
  ["content", { sums: { "public.docs": "0" } }, "content of public.docs: "],
  [
    "sequence",
    { sequences: { "public.docs_id_seq": { at: "21", step: "1", cycles: false } } },
    "sequence public.docs_id_seq is at 20, behind 21",
  ],
])("S14: fails a restored copy with another %s", async (_, change, problem) => {
  expect((await compare(change)).problems).toEqual([expect.stringContaining(problem)]);
});

test("S14: the head of an audit log is compared only where both sides have one", async () => {
  expect((await compare({ auditHead: null })).problems).toEqual([]);
  const other = await compare({ auditHead: { seq: 8 } }, "");
  expect(other.problems).toEqual([]);
});
