import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { beforeEach, describe, expect, test } from "vitest";
import { readPsqlArguments } from "../../cli/psql/arguments.ts";
import { assertNoFileCommand, expandScript } from "../../cli/psql/script.ts";

describe("psql's flags, where psql is in a container", () => {
  test.each([
    ["-Atf a.sql", ["-A", "-t", "-f", "-"], ["a.sql"]],
    ["-fa.sql --file b.sql --fil=c.sql", ["-f", "-"], ["a.sql", "b.sql", "c.sql"]],
    ["-c one -f a.sql -c two", ["-c", "one", "-f", "-", "-c", "two"], ["a.sql"]],
    ["-f -", ["-f", "-"], ["-"]],
    ["-v a=1 -x other", ["-v", "a=1", "-x", "other"], ["-"]],
    ["-c select", ["-c", "select"], undefined],
    ["--command=select", ["--command=select"], undefined],
    ["--list", ["--list"], undefined],
    ["-d f -U f", ["-d", "f", "-U", "f"], ["-"]],
    ["--echo-all --host f", ["--echo-all", "--host", "f"], ["-"]],
    ["-- -f", ["--", "-f"], ["-"]],
  ])("%s", (line, args, scripts) => {
    expect(readPsqlArguments(line.split(" "))).toMatchObject({ args, scripts, out: undefined });
  });

  test.each([["-o x"], ["-ox"], ["--output x"], ["--output=x"], ["-Ao x"], ["--out x"]])(
    "%s is a file of this machine",
    (line) => {
      const { args, out } = readPsqlArguments(line.split(" "));
      expect([args.includes("x"), out]).toEqual([false, "x"]);
    },
  );

  test.each([
    [["-f", "a", "-c", "x", "-f", "b"], /one after the other/],
    [["-L", "log"], /-L cannot write a file here/],
    [["--log-file=log"], /-L cannot write a file here/],
    [["-o", "|less"], /pipes here/],
  ])("fails on %j", (args, message) => {
    expect(() => readPsqlArguments(args)).toThrow(message);
  });
});

describe("a script with \\i", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "pgstead-psql-"));
    mkdirSync(join(folder, "below"));
    writeFileSync(join(folder, "one.sql"), "ONE;");
    writeFileSync(join(folder, "it's.sql"), "QUOTED;\n");
    writeFileSync(join(folder, "below", "two.sql"), "TWO;\n\\ir three.sql\n");
    writeFileSync(join(folder, "below", "three.sql"), "THREE;\n");
    return () => rmSync(folder, { recursive: true });
  });

  async function expanded(sql: string, chunk = 7): Promise<string> {
    const text = Buffer.from(sql.replaceAll("FOLDER", folder));
    const chunks = Array.from({ length: Math.ceil(text.length / chunk) }, (_, n) =>
      text.subarray(n * chunk, (n + 1) * chunk),
    );
    const pieces: Buffer[] = [];
    for await (const piece of expandScript("-", Readable.from(chunks))) pieces.push(piece);
    return Buffer.concat(pieces).toString();
  }

  test.each([
    ["a;\n\\i FOLDER/one.sql\nb;\n", "a;\nONE;\nb;\n"],
    ["\\include 'FOLDER/it''s.sql'\n", "QUOTED;\n\n"],
    ["\\i FOLDER/below/two.sql\n", "TWO;\nTHREE;\n\n\n"],
    ["/* a ; ' /* b */ */\n-- it's\n\\i FOLDER/one.sql\n", "/* a ; ' /* b */ */\n-- it's\nONE;\n"],
    ["select 1 \\gset\n\\i FOLDER/one.sql", "select 1 \\gset\nONE;\n"],
    ["a; \\i FOLDER/one.sql\n", "a; ONE;\n"],
    ["\\set x 1\n\\i FOLDER/one.sql\n", "\\set x 1\nONE;\n"],
  ])("%j becomes %j", async (sql, result) => {
    expect(await expanded(sql)).toBe(result);
  });

  test.each([
    "select '\n\\i x\n';\n",
    "select E'\\'\n\\i x\n';\n",
    'select "\n\\o x\n";\n',
    "select $a$\n\\i x\n$b$\n\\i x\n$a$;\n",
    "/*\n\\i x\n*/ select 1;\n",
    "-- \\i x\nselect 1;\n",
    "copy t from stdin;\n\\i x\n\\o x\n\\.\nselect 1;\n",
    "COPY t (a, b)\n  FROM STDIN WITH (format csv);\n\\i x\n\\.\n",
    "\\copy t from stdin\n\\i x\n\\.\n",
    "\\copy (select a from b) to stdout\n\\copy t from pstdin\n",
    "\\o\nselect 'é' \\g\n",
  ])("%j stays as it is", async (sql) => {
    expect(await expanded(sql)).toBe(sql);
    expect(await expanded(sql, 1)).toBe(sql);
  });

  test.each([
    ["select 1;\n\\i none.sql\n", /^stdin:2: none.sql: no such file/],
    ["select\n\\i FOLDER/one.sql\n", /^stdin:2: .* stands inside a statement/],
    ["\\i :name\n", /^stdin:1: .*without variables/],
    ["\\o out.txt\n", /^stdin:1: \\o out.txt would use a file in the server's container/],
    ["select 1;\nselect 2 \\g out.txt\n", /^stdin:2: /],
    ["\\w out.sql\n", /^stdin:1: /],
    ["\\copy t from 'x.csv'\n", /pstdin/],
    ["\\copy (select 1) to program 'x'\n", /pstdin/],
    ["copy t from stdin;\n1\n\\.\n\\o x\n", /^stdin:4: /],
  ])("fails on %j", async (sql, message) => {
    await expect(expanded(sql)).rejects.toThrow(message);
  });

  test("fails on a file that includes itself", async () => {
    writeFileSync(join(folder, "self.sql"), "\\ir self.sql\n");
    await expect(expanded("\\i FOLDER/self.sql\n")).rejects.toThrow(/includes itself/);
  });

  test("-c with a file of this machine is refused too", () => {
    expect(() => assertNoFileCommand("\\i x.sql")).toThrow(/pgstead psql -f FILE/);
    expect(() => assertNoFileCommand("\\copy t to 'x'")).toThrow(/pstdout/);
    expect(() => assertNoFileCommand("select '\\i x'")).not.toThrow();
  });
});
