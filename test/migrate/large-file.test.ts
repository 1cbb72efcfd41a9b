import { closeSync, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { checksums, checksumsOfFile } from "../../operate/migrate/checksum.ts";
import { StatementScanner } from "../../operate/migrate/scanner.ts";
import { splitStatements } from "../../operate/migrate/statements.ts";
import { up } from "../../operate/migrate/up.ts";
import { createDatabase } from "../support/database.ts";

const parts = [
  "select 1;",
  "select ';', 'it''s;', E'\\';', e'a\\\\';",
  'select ";" from "a;""b";',
  "select $$;$$, $a$;$$;$a$, a$b from t;",
  "-- ; '\nselect 2;",
  "/* ; /* ' */ $$ ; */ select 3;",
  "do $body$ begin perform ';'; end $body$;",
  "select 'é😀;' as é;",
  `insert into t values ('${"x;".repeat(60)}');`,
];

test("the scanner splits as Postgres does, wherever the text is cut", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom(...parts), { minLength: 1, maxLength: 8 }),
      fc.integer({ min: 1, max: 90 }),
      async (chosen, step) => {
        const sql = `${chosen.join("\n")}\nselect 'last'`;
        const scanner = new StatementScanner();
        const found: string[] = [];
        for (let i = 0; i < sql.length; i += step)
          found.push(...scanner.push(sql.slice(i, i + step)));
        found.push(...scanner.push("", true));
        expect(found.join("")).toBe(sql);
        expect(found).toHaveLength((await splitStatements(sql)).length);
      },
    ),
    { numRuns: 200 },
  );
});

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
    await expect(up(db.settings, options)).rejects.toThrow(
      /0001_big.sql:55002:23: invalid input syntax/,
    );
    expect(await db.query("select to_regclass('t') as t")).toEqual([{ t: null }]);
    write("-- the end");
    expect(await up(db.settings, options)).toMatchObject({ applied: [{ statements: 55_001 }] });
    expect(await db.query("select count(*)::int as n from t")).toEqual([{ n: 55_000 }]);
    const path = join(db.folder, "0001_big.sql");
    expect(checksumsOfFile(path)).toEqual(checksums(readFileSync(path)));
    expect((await up(db.settings, options)).applied).toEqual([]);
  } finally {
    await db.drop();
  }
});
