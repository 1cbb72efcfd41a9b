import fc from "fast-check";
import pg from "pg";
import { expect, test } from "vitest";
import { fillPlaceholder } from "../../operate/migrate/run/backfill.ts";

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
