import { closeSync, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { computeChecksums, computeFileChecksums } from "../../operate/migrate/files/checksum.ts";
import { applyPending } from "../../operate/migrate/run/apply-pending.ts";
import { createDatabase } from "../support/database.ts";

test("a file of 24 MB runs in one transaction without being held; fails with its line, and leaves nothing", async () => {
  const db = await createDatabase();
  try {
    const write = (last: string) => {
      const file = openSync(join(db.folder, "0001_big.sql"), "w");
      writeSync(file, "create table t (id int, body text);\r\n");
      const row = (i: number) => `insert into t values (${i}, '${"y".repeat(400)};');\n`;
      for (let i = 0; i < 55_000; i += 500)
        writeSync(file, Array.from({ length: 500 }, (_, j) => row(i + j)).join(""));
      writeSync(file, last);
      closeSync(file);
    };
    const options = { toolVersion: "test", waitMs: 20_000 };
    write("insert into t values ('no');\n");
    await expect(applyPending(db.settings, options)).rejects.toThrow(
      /0001_big.sql:55002:23: invalid input syntax/,
    );
    expect(await db.query("select to_regclass('t') as t")).toEqual([{ t: null }]);
    write("-- the end");
    expect(await applyPending(db.settings, options)).toMatchObject({
      applied: [{ statements: 55_001 }],
    });
    expect(await db.query("select count(*)::int as n from t")).toEqual([{ n: 55_000 }]);
    const path = join(db.folder, "0001_big.sql");
    expect(computeFileChecksums(path)).toEqual(computeChecksums(readFileSync(path)));
    expect((await applyPending(db.settings, options)).applied).toEqual([]);
  } finally {
    await db.drop();
  }
});
