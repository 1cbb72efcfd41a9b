import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { readServerWanted } from "../../cli/adopt-volume/server-wanted.ts";
import { findMistakes, parseConfig } from "../../config/parse.ts";
import { readStackFacts } from "../../config/stack-facts.ts";

type Raw = Record<string, unknown>;

/** As Pulumi hands them over: each value as text. */
const parse = (raw: Raw, isSecret?: (key: string) => boolean) =>
  parseConfig(
    Object.fromEntries(
      Object.entries(raw).map(([key, value]) => [
        `pgstead:${key}`,
        typeof value === "string" ? value : JSON.stringify(value),
      ]),
    ),
    isSecret,
  );

test("an empty configuration has every default", () => {
  expect(parse({}).values).toMatchObject({
    engine: "embedded",
    port: 5433,
    database: "app",
    migrations: { folder: "migrations", runOn: "always" },
    checks: [],
  });
});

test("keys of other projects are ignored", () => {
  expect(parseConfig({ "aws:region": "eu-west-1", "docker:host": "x" }).mistakes).toEqual([]);
});

describe("fails", () => {
  test.each([
    [{ port: "80" }, 'pgstead:port: got "80", allowed: 1024 or more'],
    [{ port: "70000" }, 'pgstead:port: got "70000", allowed: 65535 or less'],
    [{ prot: "1" }, 'pgstead:prot: unknown key; did you mean "pgstead:port"?'],
    [{ zzzzzz: "1" }, "pgstead:zzzzzz: unknown key"],
    [
      { database: "My DB" },
      /^pgstead:database: got "My DB", allowed: a name of lower-case letters/,
    ],
    [{ migrations: "oops" }, 'pgstead:migrations: is a section, got "oops"'],
    [
      { migrations: { foldr: "x" } },
      'pgstead:migrations.foldr: unknown key; did you mean "pgstead:migrations.folder"?',
    ],
    [
      { migrations: { runOn: "never" } },
      'pgstead:migrations.runOn: got "never", allowed: "always", "changed"',
    ],
    [
      { engine: "docker", postgres: { version: 16 } },
      "pgstead:postgres.version: got 16, allowed: 17, 18, or a minor of theirs, like 18.1",
    ],
    [
      { engine: "docker", postgres: { passwords: { app: "space " } } },
      /^pgstead:postgres.passwords.app: got .*, allowed: a text without white space at its ends/,
    ],
    [{ backups: { schedule: "daily" } }, /^pgstead:backups.schedule: got "daily", allowed: a cron/],
    [{ checks: [{ name: "a", url: "nope" }] }, 'pgstead:checks.0.url: got "nope", allowed: a URL'],
    [
      { checks: [{ name: "a", sql: "SELECT 1" }] },
      "pgstead:checks.0.expect: got nothing, allowed: a text, a number, or true and false",
    ],
  ])("on %j", (raw, message) => {
    const { values, mistakes: found } = parse(raw);
    expect(values).toBeUndefined();
    expect(found).toHaveLength(1);
    expect(found[0]).toEqual(
      typeof message === "string" ? message : expect.stringMatching(message),
    );
  });

  const docker = { engine: "docker" };
  const source = { version: "0.7.0", url: "https://example.com/x", sha256: "0".repeat(64) };
  const withoutEffect: [Raw, string[], string][] = [
    [
      { postgres: { cpus: 2 }, bucket: {}, migrations: { command: "x", image: "y" } },
      ["bucket", "migrations.command", "migrations.image", "postgres"],
      'engine is "embedded"; leave it out, or set pgstead:engine to "docker"',
    ],
    [
      { engine: "embedded", backups: { webhook: "https://x.org", ping: "https://x.org" } },
      ["backups.ping", "backups.webhook"],
      'engine is "embedded"',
    ],
    [
      { ...docker, postgres: { pgvector: { from: "package", ...source } } },
      ["postgres.pgvector.sha256", "postgres.pgvector.url", "postgres.pgvector.version"],
      'postgres.pgvector.from is "package", which installs the version that Debian has; leave',
    ],
    [
      { ...docker, postgres: { tls: { certificate: "c", key: "k", names: [], renewal: "1" } } },
      ["postgres.tls.names", "postgres.tls.renewal"],
      "postgres.tls.certificate is given, so none is generated; leave out one of them",
    ],
    [
      {
        ...docker,
        postgres: { maintenanceWorkMemMb: 64, settings: { maintenance_work_mem: "1GB" } },
      },
      ["postgres.maintenanceWorkMemMb"],
      "postgres.settings.maintenance_work_mem overrides it",
    ],
    [
      {
        ...docker,
        postgres: { passwordRotation: "1", passwords: { migrator: "a", app: "b", readonly: "c" } },
      },
      ["postgres.passwordRotation"],
      "postgres.passwords gives the password of each role, so none is generated; leave it out",
    ],
    [
      { ...docker, protect: "false", postgres: { provenWithinHours: 1 } },
      ["postgres.provenWithinHours"],
      "protect is false, so no image needs a proven backup",
    ],
    [
      { ...docker, migrations: { urlVariable: "X", urlScheme: "x" } },
      ["migrations.urlScheme", "migrations.urlVariable"],
      "migrations.command is not given, and only it reads a URL",
    ],
    [
      { ...docker, backups: { recipients: ["age1x"] } },
      ["backups.recipients"],
      "bucket is not given, and only its copies are encrypted to them",
    ],
    [
      { ...docker, bucket: { coldClass: "GLACIER" } },
      ["bucket.coldClass"],
      "bucket.coldAfterDays is not given, so nothing moves",
    ],
    [
      { ...docker, bucket: { kmsEndpoint: "https://example.com" } },
      ["bucket.kmsEndpoint"],
      "bucket.kmsKey is not given",
    ],
    [
      {
        ...docker,
        bucket: {
          without: ["policy", "lifecycle"],
          ...{ retentionDays: 5, noncurrentDays: 5, coldAfterDays: 1, extraRules: [] },
        },
      },
      ["coldAfterDays", "extraRules", "noncurrentDays", "retentionDays"].map((k) => `bucket.${k}`),
      'bucket.without has "lifecycle", so nothing expires',
    ],
  ];
  test.each(withoutEffect)("on keys that have no effect: %j", (raw, keys, because) => {
    const { values, mistakes: found } = parse(raw);
    expect(values).toBeUndefined();
    expect(found.toSorted()).toEqual(
      keys.map((key) =>
        expect.stringContaining(`pgstead:${key}: has no effect, because pgstead:${because}`),
      ),
    );
  });

  test("not on the same keys where they have an effect", () => {
    const postgres = {
      pgvector: { from: "source", ...source, allowBelowFloor: "0.7.0" },
      tls: { names: ["db"], renewal: "1" },
      ...{ maintenanceWorkMemMb: 64, provenWithinHours: 1, settings: { work_mem: "8MB" } },
      ...{ passwordRotation: "1", passwords: { app: "b" } },
    };
    const migrations = { command: "x", image: "y", urlVariable: "X", urlScheme: "x" };
    const bucket = {
      ...{ coldAfterDays: 1, coldClass: "GLACIER", kmsKey: "make", without: ["policy"] },
      kmsEndpoint: "https://example.com",
    };
    const backups = { recipients: ["age1x"], webhook: "https://x.org", ping: "https://x.org" };
    const raw = { ...docker, protect: "true", postgres, migrations, bucket, backups };
    expect(parse(raw).mistakes).toEqual([]);
  });

  test("not on a key whose other section may be in an encrypted one", () => {
    const recipients = { "pgstead:engine": "docker", "pgstead:backups": { recipients: ["age1x"] } };
    expect(findMistakes(recipients)).toHaveLength(1);
    const encrypted = { ...recipients, "pgstead:bucket": { secure: "v1:x" } };
    expect(findMistakes(encrypted)).toEqual([]);
  });

  test("once, with every mistake", () => {
    const raw = { prot: "1", port: "x", migrations: { runOn: 3 } };
    expect(parse(raw).mistakes).toHaveLength(3);
  });

  test("without showing a secret", () => {
    const { mistakes } = parse({ database: "S3CRET PASS", bucket: "S3CRET" }, () => true);
    expect(mistakes).toHaveLength(2);
    expect(mistakes.join()).not.toContain("S3CRET");
  });

  test.each([
    ["a text that is no section", "S3CRET", "pgstead:bucket: is a section, got a secret text"],
    ["a wrong value inside", { name: "S3CRET" }, "pgstead:bucket.name: got a secret, allowed: "],
  ])(
    "S17: without showing a section whose key is secret, and shows the others: %s",
    (_, bucket, line) => {
      const isSecret = (key: string) => key === "pgstead:bucket";
      const { mistakes } = parse({ engine: "docker", bucket, checks: "shown" }, isSecret);
      expect(mistakes.toSorted()).toEqual([
        expect.stringContaining(line),
        'pgstead:checks: is a section, got "shown"',
      ]);
      expect(mistakes.join()).not.toContain("S3CRET");
    },
  );

  test("S17: in the program, without showing what Pulumi's configuration marks as secret", async () => {
    const { runtime } = await import("@pulumi/pulumi");
    const { readConfig } = await import("../../config/read.ts");
    await runtime.setMocks({ newResource: () => ({ id: "", state: {} }), call: () => ({}) });
    runtime.setAllConfig({ "pgstead:bucket": "S3CRET", "pgstead:port": "shown" });
    vi.stubEnv("PULUMI_CONFIG_SECRET_KEYS", '["pgstead:bucket"]');
    onTestFinished(() => void vi.unstubAllEnvs());
    const failed = (() => {
      try {
        return readConfig();
      } catch (error) {
        return (error as Error).message;
      }
    })();
    expect(failed).toContain("pgstead:bucket: is a section, got a secret text");
    expect(failed).toContain('pgstead:port: got "shown"');
    expect(failed).not.toContain("S3CRET");
  });
});

test.each([
  [[], 2],
  [["pgstead:postgres"], 1],
  [["pgstead:postgres", "pgstead:bucket"], 0],
])(
  "the program warns of secrets that are plain text; encrypted are %j",
  async (secret, warnings) => {
    const pulumi = await import("@pulumi/pulumi");
    const { readConfig } = await import("../../config/read.ts");
    const warn = vi.spyOn(pulumi.log, "warn").mockResolvedValue();
    await pulumi.runtime.setMocks({
      newResource: () => ({ id: "", state: {} }),
      call: () => ({}),
    });
    pulumi.runtime.setAllConfig({
      "pgstead:engine": "docker",
      "pgstead:postgres": '{"passwords":{"app":"S3CRET"}}',
      "pgstead:bucket": '{"accessKey":{"id":"A","secret":"S3CRET"}}',
    });
    vi.stubEnv("PULUMI_CONFIG_SECRET_KEYS", JSON.stringify(secret));
    onTestFinished(() => {
      vi.unstubAllEnvs();
      warn.mockRestore();
    });
    readConfig();
    const shown = warn.mock.calls.map(([line]) => line);
    expect(shown).toHaveLength(warnings);
    expect(shown.join()).not.toContain("S3CRET");
    for (const line of shown) expect(line).toMatch(/^pgstead:.* is plain text .*--secret --path/);
  },
);

describe("a stack's file, which verbs read without Pulumi", () => {
  const secure = { secure: "AAABACQ=" };

  test("has the values of its YAML, and the defaults of the schema", () => {
    const config = {
      "docker:host": "ssh://elsewhere",
      "pgstead:engine": "docker",
      "pgstead:protect": false,
      "pgstead:postgres": { version: 17, superuser: "root" },
      "pgstead:migrations": '{"folder":"sql"}',
    };
    expect(findMistakes(config)).toEqual([]);
    expect(readStackFacts(config)).toEqual({
      ...{ engine: "docker", isProtected: false, database: "app" },
      ...{ version: "17", base: "debian", superuser: "root", migrations: "sql" },
    });
    const { engine, protect, database, postgres, migrations } = parse({}).values!;
    expect(readStackFacts()).toEqual({
      ...{ engine, database, isProtected: protect, migrations: migrations.folder },
      ...{ version: postgres.version, base: postgres.base, superuser: postgres.superuser },
    });
  });

  test.each(["no", "0", "False"])("is not protected by %s, as in the program", (text) => {
    expect(readStackFacts({ "pgstead:protect": text }).isProtected).toBe(false);
    expect(parse({ protect: text }).values?.protect).toBe(false);
  });

  test("has the default in place of a wrong value, and keeps the values beside it", () => {
    const config = {
      "pgstead:engine": "docker",
      "pgstead:port": "x",
      "pgstead:protect": "perhaps",
      "pgstead:database": "shop",
      "pgstead:postgres": { version: 3, superuser: "root", color: "red" },
      "pgstead:migrations": { folder: "sql", command: "alembic upgrade head" },
      "pgstead:bucket": "oops",
    };
    expect(readStackFacts(config)).toEqual({
      ...{ engine: "docker", isProtected: true, database: "shop" },
      ...{ version: "18", base: "debian", superuser: "root", migrations: "sql" },
    });
    expect(findMistakes(config).map((line) => line.split(": ")[0])).toEqual([
      "pgstead:bucket",
      "pgstead:protect",
      "pgstead:port",
      "pgstead:postgres.version",
      "pgstead:postgres.color",
      "pgstead:migrations",
    ]);
  });

  test("an encrypted value is no mistake, and a mistake beside it is found", () => {
    const config = {
      "pgstead:engine": "docker",
      "pgstead:database": secure,
      "pgstead:postgres": { superuser: "root", tls: { certificate: "PEM", key: secure } },
      "pgstead:bucket": { accessKey: { id: "A", secret: secure }, retentionDays: 0 },
      "pgstead:backups": { webhook: secure, keepDay: 3 },
      "pgstead:migrations": secure,
    };
    expect(readStackFacts(config)).toMatchObject({
      ...{ database: "app", superuser: "root", migrations: "migrations" },
    });
    expect(findMistakes(config)).toEqual([
      'pgstead:backups.keepDay: unknown key; did you mean "pgstead:backups.keepDays"?',
      "pgstead:bucket.retentionDays: got 0, allowed: 1 or more",
    ]);
  });
});

test("adopt-volume takes version and base from the file, and refuses one with a mistake", () => {
  const root = mkdtempSync(join(tmpdir(), "pgstead-wanted-"));
  try {
    const declare = (postgres: string) =>
      writeFileSync(
        join(root, "Pulumi.prod.yaml"),
        `config:\n  pgstead:engine: docker\n  pgstead:postgres: ${postgres}\n`,
      );
    declare("{ version: 17.4, base: debian }");
    expect(readServerWanted(root, "prod")).toEqual({ major: "17", base: "debian" });
    declare("{}");
    expect(readServerWanted(root, "prod")).toEqual({ major: "18", base: "debian" });
    declare("{ verson: 17 }");
    expect(() => readServerWanted(root, "prod")).toThrow(
      'the configuration of stack "prod" has a mistake:\n  pgstead:postgres.verson: unknown key; did you mean "pgstead:postgres.version"?',
    );
  } finally {
    rmSync(root, { recursive: true });
  }
});

test("only the reader for Pulumi imports a package of Pulumi, and plain data imports nothing", () => {
  const folder = join(import.meta.dirname, "..", "..", "config");
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" });
  const matching = (names: string[], text: RegExp) =>
    names.filter(
      (name) => name.endsWith(".ts") && text.test(readFileSync(join(folder, name), "utf8")),
    );
  expect(matching(files, /"@pulumi\//)).toEqual(["read.ts"]);
  // A component that is imported alone has no zod.
  expect(matching(["choices.ts", "defaults.ts"], /^import |from "/m)).toEqual([]);
});
