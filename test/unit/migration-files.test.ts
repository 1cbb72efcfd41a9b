import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { findFiles } from "../../operate/migrate/files/find-files.ts";
import {
  buildSortKey,
  compareSortKeys,
  type SortKey,
} from "../../operate/migrate/files/sort-key.ts";
import { type Part, readSource, type Source } from "../../operate/migrate/files/source.ts";
import { inspectPart } from "../../operate/migrate/history/inspect-part.ts";
import { splitStatements } from "../../operate/migrate/sql/statements.ts";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "pgstead-files-"));
  return () => rmSync(folder, { recursive: true });
});

function write(name: string, content: string): void {
  mkdirSync(dirname(join(folder, name)), { recursive: true });
  writeFileSync(join(folder, name), content);
}

const versions = () => findFiles({ folder, files: "*" }).map(({ version }) => version);

test("folders of up.sql are ordered as Diesel orders them, dashes in the stamp or not", () => {
  for (const name of ["2017-08-31-230457_b", "20170804200817_a", "2017-10-08-193512-0000_c"]) {
    write(`${name}/up.sql`, "select 1;");
  }
  expect(versions()).toEqual([
    "20170804200817_a",
    "2017-08-31-230457_b",
    "2017-10-08-193512-0000_c",
  ]);
});

test.each([
  ["[0-9]*", ["0001_a", "0002_b"]],
  ["[!0]*", ["a", "b.x"]],
  ["{0001,0002}_?.sql", ["0001_a", "0002_b"]],
  ["b.*", ["b.x"]],
])("migrations.files %s chooses %j", (files, chosen) => {
  for (const name of ["0001_a", "0002_b", "a", "b.x"]) write(`${name}.sql`, "select 1;");
  expect(findFiles({ folder, files }).map(({ version }) => version)).toEqual(chosen);
});

test("plain names and migration.sql are ordered by code point, N.up.sql by number", () => {
  write("2024-02-01_b.sql", "select 1;");
  write("20240101_a/migration.sql", "select 1;");
  expect(versions()).toEqual(["2024-02-01_b", "20240101_a"]);
  rmSync(folder, { recursive: true });
  write("10_b.up.sql", "select 1;");
  write("9_a.up.sql", "select 1;");
  expect(versions()).toEqual(["9_a", "10_b"]);
});

test("Diesel's metadata.toml takes both directions out of their transaction", async () => {
  write("1_a/up.sql", "create table t (); create index concurrently on t ((1));");
  write("1_a/down.sql", "drop table t;");
  const source = () => readSource(findFiles({ folder, files: "*" })[0]!);
  await expect(inspectPart(source().up)).rejects.toThrow(/cannot run in a transaction/);
  write("1_a/metadata.toml", "run_in_transaction = false\n");
  expect(await inspectPart(source().up)).toMatchObject({ mode: "no-transaction" });
  expect(await inspectPart(source().down!)).toMatchObject({ mode: "no-transaction" });
});

test("an empty file has nothing to run, up or down", async () => {
  write("1_a/up.sql", " \n");
  write("1_a/down.sql", "");
  const { up, down } = readSource(findFiles({ folder, files: "*" })[0]!);
  for (const part of [up, down!]) {
    expect(await inspectPart(part)).toMatchObject({ mode: "transaction", statements: 0 });
  }
});

test("files of all layouts have one order, in which no three compare in a circle", () => {
  for (const name of ["9_a.up", "10_b.up", "5_c", "11_d/up", "z"])
    write(`${name}.sql`, "select 1;");
  expect(versions()).toEqual(["5_c", "9_a", "10_b", "11_d", "z"]);
  const name = fc
    .tuple(
      fc.constantFrom("", "V", "V1_", "a"),
      fc.constantFrom("1", "01", "2", "9", "10", "2024-01-02", ""),
      fc.constantFrom("_a", "__b", ".0__c", ""),
    )
    .map((parts) => parts.join(""));
  fc.assert(
    fc.property(fc.tuple(name, name, name), fc.boolean(), (names, hasNumbers) => {
      const [a, b, c] = names.map((one) => buildSortKey(one, hasNumbers)) as [
        SortKey,
        SortKey,
        SortKey,
      ];
      expect(Math.sign(compareSortKeys(a, b)) + Math.sign(compareSortKeys(b, a))).toBe(0);
      expect(compareSortKeys(a, b) === 0).toBe(a.text === b.text);
      if (compareSortKeys(a, b) <= 0 && compareSortKeys(b, c) <= 0) {
        expect(compareSortKeys(a, c)).toBeLessThanOrEqual(0);
      }
    }),
    { numRuns: 2000 },
  );
});

test("Flyway's V files are ordered by version, and its U files undo them", () => {
  for (const name of ["V10__c", "V2__b", "V1_1__a2", "V1__a", "U2__undo b", "R__views"]) {
    write(`${name}.sql`, `select '${name}';`);
  }
  const files = findFiles({ folder, files: "*" });
  expect(files.map(({ version }) => version)).toEqual([
    "V1__a",
    "V1_1__a2",
    "V2__b",
    "V10__c",
    "R__views",
  ]);
  expect(files.map(({ downPath }) => downPath)).toEqual([
    ...[undefined, undefined],
    join(folder, "U2__undo b.sql"),
    ...[undefined, undefined],
  ]);
  expect(readSource(files[2]!).down?.sql).toBe("select 'U2__undo b';");
});

test("a down file belongs to a plain file of its name", () => {
  write("0001_a.sql", "select 1;");
  write("0001_a.down.sql", "select 2;");
  expect(findFiles({ folder, files: "*" })).toMatchObject([
    { downPath: join(folder, "0001_a.down.sql") },
  ]);
});

describe("a file that would not run as meant is refused by name", () => {
  test.each([
    ["capitals in its suffix", ["0001_a.SQL"], /"0001_a.SQL" would not run/],
    ["a blank at its end", ["0001_a.sql "], /"0001_a.sql " would not run/],
    ["a line break", ["0001\n_a.sql"], /"0001\\n_a.sql" has a line break/],
    ["a line break in a folder's name", ["1\na/up.sql"], /has a line break/],
    ["capitals in .down", ["1_a.up.sql", "1_a.Down.sql"], /"1_a.Down.sql" must end in/],
    [
      "db-migrate's names",
      ["1-a-up.sql", "1-a-down.sql"],
      /"1-a-down.sql" would run as a migration.*1-a.up.sql/,
    ],
    [
      "Postgrator's names",
      ["001.do.sql", "001.undo.sql"],
      /"001.undo.sql" would run as a migration/,
    ],
    ["a rollback beside its file", ["1_a.sql", "1_a_rollback.sql"], /it undoes "1_a.sql"/],
    ["a folder of files", ["2024/0001.sql"], /2024\/0001.sql would not run/],
    ["a folder with a down only", ["0002_b/down.sql"], /0002_b\/down.sql would not run/],
    ["a U file alone", ["V1__a.sql", "U2__b.sql"], /"U2__b.sql" is an undo file of Flyway/],
    ["two U files", ["V1__a.sql", "U1__b.sql", "U1__c.sql"], /has another undo file/],
    ["one version of Flyway twice", ["V1__a.sql", "V1.0__b.sql"], /have the same version/],
    ["a callback of Flyway", ["V1__a.sql", "afterMigrate.sql"], /"afterMigrate.sql" is a callback/],
    [
      "a baseline of Flyway",
      ["V1__a.sql", "B3__all.sql"],
      /"B3__all.sql" is a callback or a baseline/,
    ],
  ])("%s", (_, names, message) => {
    for (const name of names) write(name, "select 1;");
    expect(() => versions()).toThrow(message);
  });

  test("a pipe, a link to nothing", () => {
    execFileSync("mkfifo", [join(folder, "0001_a.sql")]);
    expect(() => versions()).toThrow(/0001_a.sql is not a regular file/);
    expect(findFiles({ folder, files: "[!0]*" })).toEqual([]);
    rmSync(join(folder, "0001_a.sql"));
    symlinkSync("nowhere", join(folder, "0001_a.sql"));
    expect(() => versions()).toThrow(/0001_a.sql is not a regular file/);
  });
});

test("links to files and folders are followed, and files that do not run are noted", () => {
  write("shared/views.sql", "select 1;");
  write("shared/0002_b/up.sql", "select 2;");
  write("0003_c.down.sql", "select 3;");
  symlinkSync("shared/0002_b", join(folder, "0002_b"));
  symlinkSync("shared/views.sql", join(folder, "0001_a.sql"));
  const notes: string[] = [];
  const found = findFiles({ folder, files: "*" }, (line) => notes.push(line));
  expect(found.map(({ version }) => version)).toEqual(["0001_a", "0002_b"]);
  expect(notes).toEqual([
    expect.stringContaining("shared/views.sql does not run"),
    expect.stringContaining("0003_c.down.sql has no up file"),
  ]);
});

describe("directives", () => {
  const read = (content: string) => {
    write("0001_a.sql", content);
    return readSource(findFiles({ folder, files: "*" })[0]!);
  };

  test.each([
    ["a blank after the colon", "create table a ();\n-- migrate: down\ndrop table a;", 2],
    ["an indented down", "create table a ();\n  -- migrate:down\ndrop table a;", 2],
    ["an indented down above its statements", "-- a\n  -- migrate:down\ndrop table a;", 2],
    ["capitals", "create table a ();\n-- Migrate:Down\ndrop table a;", 2],
    ["a misspelled name", "create table a ();\n-- migrate:dwon\ndrop table a;", 2],
    ["a blank before the colon", "-- migrate :no-transaction\nselect 1;", 1],
    ["three dashes", "--- migrate:no-transaction\nselect 1;", 1],
    ["a no-break space", "--\u00a0migrate:down\nselect 1;", 1],
    ["a digit after the name", "-- migrate:up2\nselect 1;", 1],
    ["a directive behind a statement", "select 1;\n\n-- migrate:timeout lock=5s\nselect 2;", 3],
    ["a directive in the line of a statement", "select 1; -- migrate:irreversible: no\n", 1],
    ["a directive in a block comment", "/*\n-- migrate:no-transaction\n*/ select 1;", 2],
    ["a second down", "select 1;\n-- migrate:down\nselect 2;\n-- migrate:down\nselect 3;", 4],
    [
      "an up below the down",
      "-- migrate:down\ndrop table a;\n-- migrate:up\ncreate table a ();",
      3,
    ],
    ["an up in the head of the down", "select 1;\n-- migrate:down\n-- migrate:up\nselect 2;", 3],
    ["a line that ends with CR alone", "-- a\r-- migrate:no-transaction\rselect 1;", 1],
    ["a misspelled option of dbmate", "-- migrate:up transaction:False\nselect 1;", 1],
    ["a todo far below", `${"-- a\n".repeat(300)}-- migrate:todo\nselect 1;`, 301],
  ])("%s is refused with file and line", (_, content, line) => {
    expect(() => read(content)).toThrow(`${join(folder, "0001_a.sql")}:${line}: `);
  });

  test.each([
    ["a block comment", "/* licence */\n/* a /* nested */ one */"],
    ["a long head", "-- a line\n".repeat(300)],
    ["blank lines and CRLF", "\r\n\r\n-- a\r\n"],
  ])("they are found behind %s", (_, head) => {
    const { up, down } = read(
      `${head}\n  -- migrate:irreversible: drops rows\n-- migrate:timeout lock=5s\nselect 1;\n-- migrate:down\n${head}\n--migrate:no-transaction\nselect 2;`,
    );
    expect(up.directives).toEqual({ irreversible: "drops rows", lockTimeout: "5s" });
    expect(down?.directives).toEqual({ noTransaction: true });
  });

  test("a near miss is refused with the right way to write it", () => {
    expect(() => read("-- migrate: down\nselect 1;")).toThrow(
      /"-- migrate: down" is not a directive; write it in lower case and without blanks/,
    );
  });

  test("a comment that is no directive stays one", () => {
    const { up, down } = read(
      "-- -- migrate:no-transaction\n-- we migrate: all of it\nselect '-- migrated:' as migrate;",
    );
    expect(up.directives).toEqual({});
    expect(down).toBeUndefined();
  });
});

describe("files of other tools", () => {
  const read = (content: string, name = "0001_a.sql") => {
    write(name, content);
    return readSource(findFiles({ folder, files: "*" })[0]!);
  };
  const statements = async (part: Part | undefined) =>
    part && (await splitStatements(part.sql)).map(({ text }) => text);

  test.each([
    [
      "goose",
      "-- licence\n-- +goose Up\n-- +goose StatementBegin\ncreate function f() returns int language sql as $$ select 1; $$;\n-- +goose StatementEnd\n-- +goose Down\ndrop function f();\n",
      "create function f() returns int language sql as $$ select 1; $$",
      "drop function f()",
    ],
    [
      "goose in lower case",
      "-- +goose up\nselect 1;\n--   +goose down\nselect 2;",
      "select 1",
      "select 2",
    ],
    [
      "sql-migrate",
      "-- +migrate Up\nselect 1;\n-- +migrate Down\nselect 2;",
      "select 1",
      "select 2",
    ],
    [
      "node-pg-migrate",
      "-- Up Migration\nselect 1;\n-- Down Migration\nselect 2;\n",
      "select 1",
      "select 2",
    ],
  ])("%s: its up and down parts are read", async (_, content, up, down) => {
    const source = read(content);
    expect(await statements(source.up)).toEqual([up]);
    expect(await statements(source.down)).toEqual([down]);
    expect(source.down?.firstLine).toBe(content.slice(0, source.up.sql.length).split("\n").length);
  });

  test("goose without Down has no down part, and an empty Down undoes nothing", async () => {
    expect(read("-- +goose Up\nselect 1;").down).toBeUndefined();
    expect(await statements(read("-- +goose Up\nselect 1;\n-- +goose Down\n").down)).toEqual([]);
  });

  test("goose's NO TRANSACTION counts for the file, sql-migrate's notransaction for its part", () => {
    const modes = ({ up, down }: Source) =>
      [up, down].map((part) => part?.directives.noTransaction);
    expect(modes(read("-- +goose NO TRANSACTION\n-- +goose Up\n-- +goose Down\n"))).toEqual([
      true,
      true,
    ]);
    expect(modes(read("-- +migrate Up notransaction\n-- +migrate Down\n"))).toEqual([
      true,
      undefined,
    ]);
    expect(modes(read("-- +migrate Up\n-- +migrate Down notransaction\n"))).toEqual([
      undefined,
      true,
    ]);
  });

  test.each([
    ["ENVSUB", "-- +goose ENVSUB ON\n-- +goose Up\nselect 1;", /a.sql:1: .*environment variables/],
    [
      "a misspelled Down of goose",
      "-- +goose Up\nselect 1;\n-- +goose Dwon\nselect 2;",
      /a.sql:3: "-- \+goose Dwon" is not an annotation of goose/,
    ],
    [
      "an indented Down of goose",
      "-- +goose Up\nselect 1;\n  -- +goose Down\nselect 2;",
      /a.sql:3: /,
    ],
    [
      "a second Up of goose",
      "-- +goose Up\nselect 1;\n-- +goose Up\nselect 2;",
      /a.sql:3: .*each once/,
    ],
    [
      "a Down of goose before its Up",
      "-- +goose Down\nselect 1;\n-- +goose Up\nselect 2;",
      /a.sql:1: .*Up comes before Down/,
    ],
    [
      "a statement before Up",
      "select 1;\n-- +goose Up\nselect 2;",
      /a.sql:2: a statement stands before/,
    ],
    ["goose without Up", "-- +goose NO TRANSACTION\nselect 1;", /needs a line with Up/],
    [
      "a Down of sql-migrate in lower case",
      "-- +migrate Up\nselect 1;\n-- +migrate down\nselect 2;",
      /a.sql:3: .*not an annotation of sql-migrate/,
    ],
    ["an unknown option of sql-migrate", "-- +migrate Up no-transaction\nselect 1;", /a.sql:1: /],
    ["a Down Migration alone", "select 1;\n-- Down Migration\nselect 2;", /must occur once/],
    [
      "two tools in one file",
      "-- +goose Up\nselect 1;\n-- migrate:down\nselect 2;",
      /parts of pgstead or dbmate and of goose/,
    ],
    [
      "Liquibase",
      "--liquibase formatted sql\n--changeset ada:1\nselect 1;",
      /a.sql:1: .*Liquibase.*file of its own/,
    ],
    [
      "a changeset of Liquibase",
      "-- changeset ada:1\nselect 1;\n--rollback select 2;",
      /a.sql:1: .*Liquibase/,
    ],
    ["MyBatis", "select 1;\n-- //@UNDO\nselect 2;", /a.sql:2: .*MyBatis.*-- migrate:down/],
    ["tern", "select 1;\n---- create above / drop below ----\nselect 2;", /a.sql:2: .*tern/],
    ["Play", "-- !Ups\nselect 1;\n-- !Downs\nselect 2;", /a.sql:1: .*Play/],
    ["rambler", "-- rambler up\nselect 1;\n-- rambler down\nselect 2;", /a.sql:1: .*rambler/],
    [
      "micrate",
      "-- +micrate Up\nselect 1;\n-- +micrate Down\nselect 2;",
      /a.sql:1: .*another migration tool/,
    ],
  ])("%s is refused with file, line and the way out", (_, content, message) => {
    expect(() => read(content)).toThrow(message);
  });

  test("a down file with the lines of another tool, and a placeholder of Flyway, are refused", () => {
    write("0001_a.down.sql", "-- +goose Up\nselect 1;\n-- +goose Down\nselect 2;");
    expect(() => read("select 1;", "0001_a.up.sql")).toThrow(/0001_a.down.sql has lines of goose/);
    rmSync(folder, { recursive: true });
    expect(() => read("\nselect '\u0024{schema}';", "V1__a.sql")).toThrow(
      /V1__a.sql:2: .*placeholder/,
    );
    rmSync(folder, { recursive: true });
    expect(() => read("select '\u0024{schema}';")).not.toThrow();
  });
});
