import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { pulumiEnvironment } from "../../cli/stack/pulumi/environment.ts";
import { asEnv, withScheme } from "../../cli/stack/pulumi/outputs.ts";
import { isOlderVersion } from "../../config/version-order.ts";

const root = mkdtempSync(join(tmpdir(), "root-"));
writeFileSync(join(root, "Pulumi.local.yaml"), "config:\n  pgstead:engine: embedded\n");
writeFileSync(join(root, "Pulumi.dev.yaml"), "config:\n  pgstead:engine: docker\n");
writeFileSync(join(root, "Pulumi.prod.yaml"), "config:\n  pgstead:engine: docker\n");
writeFileSync(join(root, "Pulumi.kms.yaml"), "secretsprovider: awskms://alias/x\nconfig: {}\n");

const environment = (stack: string, given: NodeJS.ProcessEnv = {}) =>
  pulumiEnvironment(root, stack, "/opt/pulumi/pulumi", { PATH: "/usr/bin", ...given });

test("local keeps its state in the checkout under the passphrase that all know, and loads no plugin", () => {
  expect(environment("local")).toMatchObject({
    PULUMI_BACKEND_URL: `file://${root}/.pgstead/state`,
    PULUMI_CONFIG_PASSPHRASE: "pgstead",
    PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
  });
  expect(environment("dev")).not.toHaveProperty("PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION");
});

test("what the caller set wins", () => {
  const given = { PULUMI_BACKEND_URL: "s3://state", PULUMI_CONFIG_PASSPHRASE: "" };
  expect(environment("local", given)).toMatchObject(given);
});

test("the caller's PATH keeps its order, and this Node is what it finds", () => {
  const node = dirname(process.execPath);
  const path = (given: string) => environment("local", { PATH: given }).PATH?.split(":");
  // A project beside the package has no `tools/` of its own.
  const last = join(import.meta.dirname, "..", "..", "tools", "language-host");
  expect(path(`/wrappers:${node}`)).toEqual(["/opt/pulumi", "/wrappers", node, last]);
  expect(path("/wrappers")).toEqual(["/opt/pulumi", node, "/wrappers", last]);
});

test("fails for prod without a backend, and without something to encrypt with", () => {
  expect(() => environment("prod")).toThrow(/set PULUMI_BACKEND_URL/);
  expect(() => environment("prod", { PULUMI_BACKEND_URL: "s3://state" })).toThrow(
    /set PULUMI_CONFIG_PASSPHRASE_FILE/,
  );
  expect(environment("kms", { PULUMI_BACKEND_URL: "s3://state" })).not.toHaveProperty(
    "PULUMI_CONFIG_PASSPHRASE",
  );
});

test.each([
  ["3.219.9", "3.220.0", true],
  ["3.220.0", "3.220.0", false],
  ["3.1000.0", "3.220.0", false],
  ["4.0.0-alpha.1", "3.220.0", false],
  ["0.8.9", "0.8.10", true],
  ["18", "18.1", true],
])("is %s older than %s: %s", (version, than, older) => {
  expect(isOlderVersion(version, than)).toBe(older);
});

test("outputs become the variables that clients read, decoded", () => {
  const outputs = { url: "postgresql://app:p%40ss@postgres:5432/app", hostUrl: null };
  expect(Object.fromEntries(asEnv(outputs))).toEqual({
    DATABASE_URL: outputs.url,
    PGHOST: "postgres",
    PGPORT: "5432",
    PGDATABASE: "app",
    PGUSER: "app",
    PGPASSWORD: "p@ss",
  });
});

test("the scheme changes in URLs and nowhere else", () => {
  const outputs = { url: "postgresql://app@h/app", database: "postgresql", port: 1, network: null };
  expect(withScheme(outputs, "postgresql+asyncpg")).toEqual({
    ...outputs,
    url: "postgresql+asyncpg://app@h/app",
  });
});
