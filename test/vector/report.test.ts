import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readVectorReport } from "../../operate/vector/report.ts";
import { createDatabase, type TestDatabase } from "../support/database.ts";

const options = { withRecall: true, samples: 20, neighbours: 10, budgetMs: 60_000 };
const quietly = () => {};
let database: TestDatabase;

beforeAll(async () => {
  database = await createDatabase();
  const [{ owner }] = (await database.query(
    "select datdba::regrole::text as owner from pg_database where datname = current_database()",
  )) as [{ owner: string }];
  await database.query(`
    set role ${owner};
    select setseed(0.5);
    create table items as select i as id, array_agg(random())::vector(16) as embedding
      from generate_series(1, 3000) i, generate_series(1, 16) group by i;
    create index items_ivf on items using ivfflat (embedding vector_l2_ops) with (lists = 50);
    create table docs as select id, embedding::vector(16) as embedding from items;
    create index docs_hnsw on docs using hnsw ((embedding::halfvec(16)) halfvec_cosine_ops)
      with (m = 8, ef_construction = 32) where id > 100;
    create table bare (embedding vector);
    analyze items; analyze docs; analyze bare`);
});
afterAll(() => database?.drop());

const report = (vector = {}, more = {}) =>
  readVectorReport({ ...database.settings, vector }, { ...options, ...more }, quietly);

describe("pgstead vector", () => {
  test("names versions, columns and indexes with what they were made with", async () => {
    const { columns, indexes, library, extension } = await report({}, { withRecall: false });
    expect(extension).toBe(library);
    expect(columns).toEqual([
      { table: "public.bare", column: "embedding", type: "vector", dimensions: null, rows: 0 },
      { table: "public.docs", column: "embedding", type: "vector", dimensions: 16, rows: 3000 },
      { table: "public.items", column: "embedding", type: "vector", dimensions: 16, rows: 3000 },
    ]);
    expect(indexes).toMatchObject([
      {
        name: "public.docs_hnsw",
        method: "hnsw",
        operator: "<=>",
        options: { m: 8, ef_construction: 32 },
        predicate: "(id > 100)",
      },
      { name: "public.items_ivf", method: "ivfflat", operator: "<->", options: { lists: 50 } },
    ]);
  });

  test("S14 searching every list finds all, one list does not, and no row finds itself", async () => {
    const recallOf = async (probes: number, neighbours: number) => {
      const { recall } = await report({ probes }, { neighbours });
      return recall.find(({ index }) => index === "public.items_ivf");
    };
    expect(await recallOf(50, 10)).toMatchObject({ recall: 1, samples: 20, problem: null });
    const one = await recallOf(1, 1);
    // Each row lies in the list that is searched: counted, its own match would make this 1.
    expect(one?.recall).toBeLessThan(0.9);
    expect(one?.setting).toBe("ivfflat.probes = 1");
  });

  test("S14 searches as the application does, by its role's setting or the configuration", async () => {
    const settingOf = async (vector = {}) =>
      (await report(vector, { samples: 1 })).recall.map(({ setting }) => setting);
    expect(await settingOf()).toEqual(["hnsw.ef_search = 40", "ivfflat.probes = 1"]);
    await database.query(
      "do $$ begin execute format('alter database %I set hnsw.ef_search = 77', current_database()); end $$",
    );
    expect(await settingOf()).toEqual(["hnsw.ef_search = 77", "ivfflat.probes = 1"]);
    expect(await settingOf({ efSearch: 120 })).toContain("hnsw.ef_search = 120");
    await database.query(
      "do $$ begin execute format('alter database %I reset hnsw.ef_search', current_database()); end $$",
    );
  });

  test("fails a column of other dimensions than the model's, and an invalid index", async () => {
    await database.query(
      "update pg_index set indisvalid = false where indexrelid = 'docs_hnsw'::regclass",
    );
    const { advice, recall } = await report({ dimensions: 1536 }, { samples: 1 });
    await database.query(
      "update pg_index set indisvalid = true where indexrelid = 'docs_hnsw'::regclass",
    );
    const amiss = advice.filter(({ kind }) => kind === "amiss");
    expect(amiss).toEqual([
      {
        kind: "amiss",
        about: "public.docs.embedding",
        text: "16 dimensions, and the embedding model has 1536 (pgstead:vector.dimensions)",
      },
      expect.objectContaining({ about: "public.items.embedding" }),
      {
        kind: "amiss",
        about: "public.docs_hnsw",
        text: "invalid, so no search uses it: REINDEX INDEX CONCURRENTLY public.docs_hnsw",
      },
    ]);
    expect(recall.map(({ index }) => index)).toEqual(["public.items_ivf"]);
  });

  test("S35: ends in time, and says what it could not measure", async () => {
    const { recall } = await report({}, { budgetMs: 0 });
    const unmeasured = expect.objectContaining({
      recall: null,
      samples: 0,
      problem: expect.stringContaining("no sample"),
    });
    expect(recall).toEqual([unmeasured, unmeasured]);
  });
});
