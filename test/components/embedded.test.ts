import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { type Recorded, recordResources, urnOf, valueIn } from "../support/recorder.ts";

const { EmbeddedPostgres } = await import("../../components/engines/embedded.ts");
const { EmbeddedMigrations } = await import("../../components/migrations/embedded-migrations.ts");
const { migrationInput } = await import("../../components/migrations/run-input.ts");

// The list of migrations comes from the bundle, which is not under test here.
vi.mock("../../components/migrations/pending.ts", () => ({
  readMigrationFiles: async () => ({ pending: [], newest: null }),
}));

let recorded: Recorded[];
beforeAll(async () => {
  recorded = await recordResources({
    "pulumi:index:Stash": (inputs) => ({ output: inputs.input }),
    "pgstead:index:EmbeddedPostgres": () => ({}),
    "pgstead:index:EmbeddedMigrations": () => ({}),
  });
});

beforeEach(() => {
  recorded.length = 0;
});

const args = { folder: "/srv/x/.pgstead/local", migrations: { folder: "/srv/x/migrations" } };

describe("EmbeddedPostgres", () => {
  test("is one Stash under the component, whose input a preview shows", async () => {
    const postgres = new EmbeddedPostgres("postgres", args);
    expect(await urnOf(postgres.nodes.server)).toContain(
      "::pgstead:index:EmbeddedPostgres$pulumi:index:Stash::postgres-server",
    );
    expect(recorded.map(({ type, name }) => [type, name])).toEqual([
      ["pgstead:index:EmbeddedPostgres", "postgres"],
      ["pulumi:index:Stash", "postgres-server"],
    ]);
    expect(recorded[1]?.inputs).toEqual({ input: { port: 5433, database: "app" } });
  });

  test("has a secret URL on loopback, and null for outputs that the engine lacks", async () => {
    const postgres = new EmbeddedPostgres("postgres", { ...args, port: 5500, database: "shop" });
    expect(await pulumi.isSecret(postgres.url)).toBe(true);
    expect(await valueIn(postgres.url)).toBe("postgresql://app@127.0.0.1:5500/shop");
    for (const missing of [
      postgres.migratorUrl,
      postgres.readonlyUrl,
      postgres.network,
      postgres.image,
    ]) {
      expect(await valueIn(missing as pulumi.Output<unknown>)).toBeNull();
    }
  });

  test("writes settings that contain every path", async () => {
    const postgres = new EmbeddedPostgres("postgres", args);
    const { settings, settingsFile } = postgres;
    await urnOf(postgres.nodes.server);
    expect(settingsFile).toBe("/srv/x/.pgstead/local/settings.json");
    expect(settings).toEqual({
      stack: "test",
      engine: "embedded",
      database: { host: "127.0.0.1", port: 5433, name: "app", user: "postgres" },
      embedded: { folder: args.folder },
      migrations: args.migrations,
      checks: [],
      backups: { folder: `${args.folder}/backups` },
    });
  });

  test("S17: a webhook and a ping never reach the settings, because nothing here calls them", async () => {
    const { deploy } = await import("../../stacks/embedded.ts");
    const { StackConfig } = await import("../../config/stack-config.ts");
    const root = mkdtempSync(join(tmpdir(), "pgstead-embedded-"));
    onTestFinished(() => rmSync(root, { recursive: true }));
    const config = StackConfig.parse({ backups: { keepDays: 3 } });
    const address = "https://example.com/T0KEN";
    Object.assign(config.backups, { webhook: address, ping: address });
    const { postgres } = await deploy(config, root);
    await urnOf(postgres.nodes.server);
    expect(postgres.settings.backups).toEqual({
      ...StackConfig.parse({}).backups,
      keepDays: 3,
      folder: join(root, ".pgstead", "test", "backups"),
    });
  });

  test("the constructor refuses a port that needs privileges", () => {
    expect(() => new EmbeddedPostgres("postgres", { ...args, port: 80 })).toThrow(
      '"port" of "postgres" must be 1024 or more, got 80',
    );
  });
});

describe("EmbeddedMigrations", () => {
  test("is one Stash under the component", async () => {
    const postgres = new EmbeddedPostgres("postgres", args);
    const migrations = new EmbeddedMigrations("migrations", { postgres, pending: ["0001_a"] });
    expect(await urnOf(migrations.nodes.run)).toContain(
      "::pgstead:index:EmbeddedMigrations$pulumi:index:Stash::migrations-run",
    );
    const run = recorded.find(({ name }) => name === "migrations-run");
    expect(run?.inputs.input).toMatchObject({ PGSTEAD_PENDING: "0001_a" });
    expect(recorded).toHaveLength(4);
  });

  test("shows the pending versions, and one value that changes with each run", () => {
    expect(migrationInput([], "changed")).toEqual({ PGSTEAD_PENDING: "none" });
    expect(migrationInput(["0001_a", "0002_b"], "changed")).toEqual({
      PGSTEAD_PENDING: "0001_a, 0002_b",
    });
    expect(migrationInput([])).toEqual({
      PGSTEAD_PENDING: "none",
      PGSTEAD_RUN: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
    });
  });
});
