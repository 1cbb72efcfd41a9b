import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { acquirePulumi } from "../../cli/stack/pulumi/acquire-pulumi.ts";
import { PULUMI_VERSION } from "../../cli/stack/pulumi/find-pulumi.ts";
import { freePort } from "../support/free-port.ts";

const checkout = join(import.meta.dirname, "..", "..");
const folder = mkdtempSync(join(tmpdir(), "pgstead-production-"));
const app = join(folder, "app");
const home = join(folder, "pulumi-home");
const downloaded = join(home, "versions", PULUMI_VERSION, "bin");
const { devDependencies } = JSON.parse(readFileSync(join(checkout, "package.json"), "utf8"));

beforeAll(async () => {
  mkdirSync(join(app, "migrations"), { recursive: true });
  writeFileSync(join(app, "package.json"), '{ "private": true, "type": "module" }');
  const sdk = `@pulumi/pulumi@${devDependencies["@pulumi/pulumi"]}`;
  const quiet = ["--prefer-offline", "--no-audit", "--no-fund", "--loglevel=error"];
  const install = ["install", "--omit=dev", ...quiet, inject("tarball"), sdk];
  execFileSync("npm", install, { cwd: app, stdio: "inherit" });
  await writeProject();
});
afterAll(async () => {
  if (existsSync(join(app, ".pgstead"))) await pgstead("down");
  rmSync(folder, { recursive: true, force: true });
});

/** The files of docs/components.md, a free port, and one migration. */
async function writeProject(): Promise<void> {
  const docs = readFileSync(join(checkout, "docs", "components.md"), "utf8");
  for (const [, name, text] of docs.matchAll(/^`([\w.]+)`[^\n]*:\n\n```\w+\n(.*?)```/gms)) {
    writeFileSync(join(app, name as string), text as string);
  }
  const port = `config:\n  pgstead:port: "${await freePort()}"\n`;
  writeFileSync(join(app, "Pulumi.local.yaml"), port);
  writeFileSync(join(app, "migrations", "0001_orders.sql"), "CREATE TABLE orders (id int);\n");
}

/**
 * No Pulumi is on PATH or in a cache. The npm package `pulumi` fetches an install script from pulumi.com: here
 * it gets one that links the CLI of this machine.
 */
async function environmentWithoutPulumi(): Promise<NodeJS.ProcessEnv> {
  const { program } = await acquirePulumi(() => {});
  const script = `#!/bin/sh\nmkdir -p "${downloaded}" && ln -s "${program}" "${downloaded}/pulumi"\n`;
  const preload = join(folder, "install-script.cjs");
  const answer = `async () => new Response(${JSON.stringify(script)})`;
  writeFileSync(preload, `globalThis.fetch = ${answer};\n`);
  const path = (process.env.PATH ?? "").split(delimiter);
  const without = path.filter((each) => each && !existsSync(join(each, "pulumi")));
  return {
    ...process.env,
    PATH: [dirname(process.execPath), ...without].join(delimiter),
    NODE_OPTIONS: `--require ${preload}`,
    PULUMI_HOME: home,
    XDG_CACHE_HOME: join(folder, "cache"),
    PGSTEAD_STACK: "local",
    PULUMI_BACKEND_URL: "",
  };
}

async function pgstead(...args: string[]): Promise<string> {
  const program = join(app, "node_modules", ".bin", "pgstead");
  return execFileSync(program, args, {
    cwd: app,
    encoding: "utf8",
    env: await environmentWithoutPulumi(),
  });
}

test("an install for production brings the stack local up, and down again", async () => {
  expect(existsSync(join(app, "node_modules", "vitest"))).toBe(false);
  const up = await pgstead("up");
  expect(up).toMatch(/Resources:\s+\+ \d+ created/);
  expect(existsSync(join(downloaded, "pulumi"))).toBe(true);
  const status = JSON.parse(await pgstead("status", "--json"));
  expect(status).toMatchObject({ stack: "local" });
  expect(await pgstead("down")).toMatch(/Resources:\s+- \d+ deleted/);
  rmSync(join(app, ".pgstead"), { recursive: true });
});

test("what builds the Pulumi CLI from source is in the package", () => {
  const tools = join(app, "node_modules", "pgstead", "tools");
  const files = ["pulumi/go.mod", "pulumi/go.sum", "language-host/host.mjs"];
  for (const file of files) expect(existsSync(join(tools, file)), file).toBe(true);
});
