import { afterEach, beforeEach, expect, test } from "vitest";
import { queryVectorIndexes } from "../../operate/backup/prove/query-vector-indexes.ts";
import { createDatabase, type TestDatabase } from "../support/database.ts";

let database: TestDatabase;
beforeEach(async () => {
  database = await createDatabase();
  await database.query(`
    create table docs (id int, kind text, embedding vector(3));
    insert into docs select i, case when i % 3 = 0 then 'a' end, array[i, i % 7, 1]::vector
      from generate_series(1, 300) i`);
});
afterEach(() => database?.drop());

const queried = () => database.session(queryVectorIndexes);

/** Makes an index that lacks all rows: PostgreSQL does not fill an index that is not "ready". */
const createWithoutRows = async (definition: string) => {
  await database.query(`
    create table held as select * from docs; truncate docs;
    create index broken on docs using ${definition};
    update pg_index set indisready = false where indexrelid = 'broken'::regclass`);
  await database.query("insert into docs select * from held");
  await database.query(
    "update pg_index set indisready = true where indexrelid = 'broken'::regclass; drop table held",
  );
};

test("S14: indexes over an expression and over a part of the rows are queried", async () => {
  await database.query(`
    create index by_half on docs using hnsw ((embedding::halfvec(3)) halfvec_cosine_ops);
    create index "Of A" on docs using hnsw (embedding vector_l2_ops) where kind = 'a';
    create index lists on docs using ivfflat (embedding vector_ip_ops) with (lists = 3)`);
  expect(await queried()).toEqual({ queries: 3, leftOut: [], problems: [] });
});

test.each([
  ["a column", "hnsw (embedding vector_l2_ops)"],
  ["a column, in lists", "ivfflat (embedding vector_l2_ops)"],
  ["an expression", "hnsw ((embedding::halfvec(3)) halfvec_cosine_ops)"],
  ["a part of the rows", "hnsw (embedding vector_cosine_ops) where kind = 'a'"],
])("S14: fails an index of %s that finds nothing", async (_, definition) => {
  await createWithoutRows(definition);
  const problems = ["index public.broken of public.docs finds nothing"];
  expect(await queried()).toEqual({ queries: 1, leftOut: [], problems });
});

test("S14: fails an index whose query ends in an error", async () => {
  await database.query(`
    create function half(v vector) returns halfvec(3) language plpgsql immutable
      as 'begin return v::public.halfvec(3); end';
    create index by_function on docs using hnsw ((half(embedding)::halfvec(3)) halfvec_l2_ops);
    create or replace function half(v vector) returns halfvec(3) language plpgsql immutable
      as 'begin raise ''gone''; end'`);
  const problems = ["index public.by_function of public.docs cannot be queried: gone"];
  expect(await queried()).toEqual({ queries: 1, leftOut: [], problems });
});

test("S14: what is not queried is named with the reason", async () => {
  await database.query(`
    create index a_null on docs using hnsw (embedding vector_l1_ops) where id < 0;
    create table zeros as select '[0,0,0]'::vector(3) as v from generate_series(1, 9);
    create index b_zero on zeros using hnsw (v vector_cosine_ops);
    create materialized view later as select embedding from docs with no data;
    create index c_later on later using hnsw (embedding vector_l2_ops);
    create index d_twin on docs using hnsw (embedding vector_ip_ops) where id > 250;
    create index e_twin on docs using hnsw (embedding vector_ip_ops) where id > 250;
    create index f_invalid on docs using hnsw (embedding vector_l2_ops);
    update pg_index set indisvalid = false where indexrelid = 'f_invalid'::regclass`);
  const { queries, leftOut, problems } = await queried();
  expect([queries, problems]).toEqual([1, []]);
  expect(leftOut).toEqual([
    "public.a_null (no row is in it)",
    "public.b_zero (no row is in it)",
    "public.c_later (its materialized view has no data)",
    expect.stringMatching(/^public\.[de]_twin \(the planner prefers [de]_twin\)$/),
    "public.f_invalid (invalid)",
  ]);
});

test("S14: of many indexes five are queried, and the others are named", async () => {
  for (const n of [1, 2, 3, 4, 5, 6, 7])
    await database.query(
      `create index i${n} on docs using hnsw (embedding vector_l2_ops) where id % 7 = ${n - 1}`,
    );
  const { queries, leftOut } = await queried();
  expect(queries).toBe(5);
  expect(leftOut).toEqual(["public.i6 (only 5 are queried)", "public.i7 (only 5 are queried)"]);
});

test("S14: the operator is found in the schema of the extension, off the search_path", async () => {
  await database.query(`
    create schema ext; alter extension vector set schema ext;
    create index far on docs using hnsw (embedding ext.vector_l2_ops)`);
  expect(await queried()).toEqual({ queries: 1, leftOut: [], problems: [] });
});
