import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { beforeEach, describe, expect, test } from "vitest";
import { moveOwnOptionsFirst, readPsqlArguments } from "../../cli/psql/arguments.ts";
import { chooseRole } from "../../cli/psql/in-container.ts";
import { loginAs, promptFlags, readPsqlRole } from "../../cli/psql/role.ts";
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

describe("options of pgstead between psql's flags", () => {
  test.each([
    ["-c one --stack prod", "--stack prod -c one"],
    ["-c one -s prod", "-s prod -c one"],
    ["app --stack=prod -A", "--stack=prod app -A"],
    ["-Atc one -sprod --as app", "-sprod --as app -Atc one"],
    ["-f a.sql --settings x --json -y", "--settings x --json -y -f a.sql"],
    ["-c --stack -v --as", "-c --stack -v --as"],
    ["--set a=b --single-step -- --stack prod", "--set a=b --single-step -- --stack prod"],
  ])("%s", (typed, moved) => {
    expect(moveOwnOptionsFirst(typed.split(" "))).toEqual(moved.split(" "));
  });

  test.each([
    [["-c", "one", "--stack"], "--stack needs a value"],
    [["--stack", "-c", "one"], "--stack needs a value"],
    [["-c", "one", "-s"], "psql's own -s is --single-step"],
    [["-As", "prod", "-c", "one"], '-As: write "-s NAME" apart'],
  ])("fails on %j", (typed, message) => {
    expect(() => moveOwnOptionsFirst(typed)).toThrow(message);
  });

  test("the program asks the stack that is named behind -c", () => {
    const args = ["dist/pgstead.cjs", "psql", "-c", "select 1", "--stack", "not a name"];
    const { status, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
    expect([status, stderr]).toEqual([1, expect.stringContaining('"not a name" cannot be')]);
  });
});

describe("the role of psql", () => {
  const prod = { isProtected: true };
  const dev = { isProtected: false };
  const namesRole = (line: string) => readPsqlArguments(line.split(" ")).namesRole;

  test("is readonly on a protected stack, and the superuser or PGUSER on others", () => {
    expect([chooseRole(prod, undefined, false), chooseRole(dev, undefined, false)]).toEqual([
      "readonly",
      undefined,
    ]);
  });

  test("is the one that is named", () => {
    expect(chooseRole(prod, "app", false)).toBe("app");
    expect(chooseRole(dev, "readonly", false)).toBe("readonly");
    expect(chooseRole(prod, undefined, true)).toBeUndefined();
    expect(() => chooseRole(prod, "app", true)).toThrow(/both name a role/);
    expect(() => readPsqlRole("root")).toThrow(/readonly, app, owner, superuser; got "root"/);
  });

  test.each([
    ["-U ada", true],
    ["--username=ada", true],
    ["app ada", true],
    ["app", false],
    ["-d U -c U", false],
  ])("%s names one: %s", (line, isNamed) => expect(namesRole(line)).toBe(isNamed));

  test("logs in as itself, and as migrator for the owner", () => {
    expect(loginAs("superuser", "root", {})).toEqual({ PGUSER: "root" });
    expect(loginAs("app", "root", {})).toEqual({ PGUSER: "app" });
    expect(loginAs("owner", "root", { PGOPTIONS: "-c work_mem=1MB" })).toEqual({
      PGUSER: "migrator",
      PGOPTIONS: "-c work_mem=1MB -c role=owner",
    });
  });

  test("is in the prompt, with database and stack", () => {
    expect(promptFlags("prod", "readonly")[1]).toBe("PROMPT1=%n@%/ (prod)%R%x%# ");
    expect(promptFlags("prod", "owner")[3]).toBe("PROMPT2=owner@%/ (prod)%R%x%# ");
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
