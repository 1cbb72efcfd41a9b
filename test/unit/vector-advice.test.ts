import { describe, expect, test } from "vitest";
import { advise } from "../../operate/vector/advise.ts";
import type { Inventory, VectorIndex } from "../../operate/vector/inventory.ts";

const GB = 1024 ** 3;
const hnsw: VectorIndex = {
  ...{ name: "i", table: "t", expression: "v", predicate: null, method: "hnsw", operator: "<->" },
  ...{
    operatorSchema: "public",
    dimensions: 768,
    options: {},
    valid: true,
    bytes: GB / 4,
    rows: 10_000,
  },
};
const ivfflat = { ...hnsw, method: "ivfflat" as const };
const inventory = (index: Partial<VectorIndex>, rest: Partial<Inventory> = {}): Inventory => ({
  ...{ extension: "0.8.7", library: "0.8.7", sharedBuffers: GB, cache: 3 * GB },
  ...{ maintenanceWorkMem: 64 * GB, columns: [], indexes: [{ ...hnsw, ...index }], ...rest },
});
const texts = (of: Inventory) => advise(of).map(({ text }) => text);

describe("advice from the numbers of an inventory", () => {
  test("none, where the numbers are fine", () => {
    expect(texts(inventory({}))).toEqual([]);
    expect(texts(inventory({ ...ivfflat, rows: 100_000, options: { lists: 100 } }))).toEqual([]);
    expect(texts(inventory({ ...ivfflat, rows: 500, options: { lists: 100 } }))).toEqual([]);
  });

  test.each([
    [inventory({ rows: 2_000_000 }), "time to review: 2000000 rows with m 16"],
    [inventory({ options: { m: 40, ef_construction: 64 } }), "is below twice m (40)"],
    [
      inventory({ ...ivfflat, rows: 4_000_000 }),
      "100 lists for 4000000 rows, about 2000 are usual",
    ],
    [inventory({ ...ivfflat, rows: 20_000, options: { lists: 1000 } }), "about 20 are usual"],
    [inventory({ bytes: 2 * GB }), "fit into the system's cache, but not into shared_buffers"],
    [inventory({ bytes: 4 * GB }), "are larger than the memory"],
    [inventory({}, { maintenanceWorkMem: GB / 64 }), "before a REINDEX"],
    [inventory({}, { extension: "0.8.6" }), "the extension is 0.8.6 and the library is 0.8.7"],
    [
      inventory(
        {},
        {
          columns: [{ table: "other", column: "v", type: "vector", dimensions: 3, rows: 50_000 }],
        },
      ),
      "no index: each search reads about 50000 rows",
    ],
  ])("case %#", (given, expected) => {
    expect(texts(given)).toEqual([expect.stringContaining(expected)]);
  });
});
