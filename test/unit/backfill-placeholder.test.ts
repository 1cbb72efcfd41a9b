import fc from "fast-check";
import pg from "pg";
import { expect, test } from "vitest";
import { fillPlaceholder } from "../../operate/migrate/run/backfill.ts";
import { splitStatements } from "../../operate/migrate/sql/statements.ts";

const SQL = "update t set n = 1 where :batch and note <> 'x'";

test("S27: whatever the key of a row is, the statement holds its literal and nothing else", () => {
  const key = fc.oneof(
    fc.string(),
    fc.constantFrom("zz$'); alter role app superuser; --", "z$$", "$&", "$`", "$1", "a:batch"),
  );
  fc.assert(
    fc.property(key, (value) => {
      const range = `(id <= ${pg.escapeLiteral(value)})`;
      const [before, after] = SQL.split(":batch") as [string, string];
      expect(fillPlaceholder(SQL, range)).toBe(`${before}${range}${after}`);
    }),
    { numRuns: 500 },
  );
});

test("S27: PostgreSQL's parser reads the statement as one, and each key as its own constant", async () => {
  const text = fc.stringMatching(/^['"$\\\\;:&`\n a-z-]*$/);
  await fc.assert(
    fc.asyncProperty(text, text, async (from, to) => {
      const range = `(id > ${pg.escapeLiteral(from)} and id <= ${pg.escapeLiteral(to)})`;
      const statements = await splitStatements(
        fillPlaceholder("update t set n = 1 where :batch", range),
      );
      expect(statements.map(({ type }) => type)).toEqual(["UpdateStmt"]);
      expect(readConstants(statements[0]?.node.whereClause)).toEqual([from, to]);
    }),
    { numRuns: 300, seed: 1 },
  );
});

/** Every string constant of a parse tree. */
function readConstants(node: unknown): string[] {
  if (typeof node !== "object" || node === null) return [];
  const constant = (node as { A_Const?: { sval?: { sval?: string } } }).A_Const;
  if (constant) return [constant.sval?.sval ?? ""];
  return Object.values(node).flatMap(readConstants);
}
