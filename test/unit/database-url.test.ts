import { spawnSync } from "node:child_process";
import fc from "fast-check";
import pg from "pg";
import { expect, test } from "vitest";
import { quoteIfNeeded } from "../../cli/shell-quote.ts";
import { asEnv, withScheme } from "../../cli/stack/pulumi/outputs.ts";
import { createDatabaseUrl } from "../../config/database-url.ts";

const HARD = "p@ss:/w%rd ?#'\"\\[&]=+$(id)!*é\n\u{1f511}";
const name = fc.stringMatching(/^[a-z_][a-z0-9_]{0,20}$/);
const anyText = fc.string({ unit: "binary", minLength: 1 });

/** As the driver reads it. */
function readByDriver(connectionString: string) {
  const { host, port, user, password, database } = new pg.Client({ connectionString });
  return { host, port, user, password, database };
}

test("a client reads from the URL each user and password that it was made with", () => {
  fc.assert(
    fc.property(
      fc.record({ user: anyText, password: anyText, database: name }),
      fc.constantFrom("postgres", "/var/run/postgresql"),
      (login, host) => {
        const address = { ...login, host, port: 5433 };
        expect(readByDriver(createDatabaseUrl(address))).toEqual(address);
      },
    ),
    { examples: [[{ user: HARD, password: HARD, database: "app" }, "postgres"]] },
  );
});

test("the variables of outputs have the same values, with another scheme too", () => {
  fc.assert(
    fc.property(fc.record({ user: anyText, password: anyText, database: name }), (login) => {
      const url = createDatabaseUrl({ ...login, host: "postgres", port: 5432, sslmode: "require" });
      const env = Object.fromEntries(asEnv(withScheme({ url }, "postgresql+asyncpg")));
      expect(env).toMatchObject({
        ...{ PGHOST: "postgres", PGPORT: "5432" },
        ...{ PGUSER: login.user, PGPASSWORD: login.password, PGDATABASE: login.database },
      });
    }),
    { examples: [[{ user: HARD, password: HARD, database: "app" }]] },
  );
});

test("a generated password is in the URL as it is", () => {
  expect(
    createDatabaseUrl({ user: "app", password: "Abc23", host: "h", port: 1, database: "app" }),
  ).toBe("postgresql://app:Abc23@h:1/app");
});

test("a shell reads the lines of outputs --env", () => {
  const values = [
    HARD,
    "a b",
    "$HOME",
    "`id`",
    "a&b",
    "~",
    "x;y",
    "#",
    "it's",
    "postgresql://a:b@h/d?x=y",
  ];
  const lines = values.map((value, at) => `V${at}=${quoteIfNeeded(value)}`);
  const print = values.map((_, at) => `printf '%s\\0' "$V${at}"`);
  const { stdout } = spawnSync("sh", ["-ec", [...lines, ...print].join("\n")], {
    encoding: "utf8",
  });
  expect(stdout.split("\0").slice(0, -1)).toEqual(values);
});

test("what needs no quotes has none, because docker's --env-file would keep them", () => {
  const url = "postgresql://app:Abc23@h:1/app?sslmode=require";
  expect([quoteIfNeeded(url), quoteIfNeeded("p%40ss")]).toEqual([url, "p%40ss"]);
});
