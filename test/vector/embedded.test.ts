import { expect, test } from "vitest";
import { readVectorReport } from "../../operate/vector/report.ts";
import { withEmbedded } from "../support/embedded.ts";

test("the embedded engine is reported on, and its one session is left as it was", async () => {
  await withEmbedded("migrations", async (settings, database) => {
    await database.exec(
      `create extension vector;
       create table items as select i as id, array_agg(random())::vector(8) as v
         from generate_series(1, 500) i, generate_series(1, 8) group by i;
       create index on items using hnsw (v vector_l2_ops); analyze items`,
    );
    const options = { withRecall: true, samples: 5, neighbours: 5, budgetMs: 30_000 };
    const { recall, columns } = await readVectorReport(settings, options, () => {});
    expect(columns).toMatchObject([{ table: "public.items", dimensions: 8, rows: 500 }]);
    expect(recall).toMatchObject([{ setting: "hnsw.ef_search = 40", samples: 5, problem: null }]);
    const { rows } = await database.query("select current_setting('enable_seqscan') as scan");
    expect(rows).toEqual([{ scan: "on" }]);
  });
});
