import { execFileSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, expect, inject, test } from "vitest";

const checkout = join(import.meta.dirname, "..", "..");
const folder = mkdtempSync(join(tmpdir(), "pgstead-package-"));
const { dependencies, peerDependencies, peerDependenciesMeta } = JSON.parse(
  readFileSync(join(checkout, "package.json"), "utf8"),
);
const peers = Object.keys(peerDependencies);
const required = peers.filter((name) => !peerDependenciesMeta[name]?.optional);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What `npm install` would do, without a registry. */
function consumer(name: string, packages: string[]): string {
  const project = join(folder, name);
  const installed = join(project, "node_modules", "pgstead");
  mkdirSync(installed, { recursive: true });
  execFileSync("tar", ["-xzf", inject("tarball"), "-C", installed, "--strip-components", "1"]);
  for (const each of packages) {
    const link = join(project, "node_modules", each);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(join(checkout, "node_modules", each), link);
  }
  return project;
}

/** By plain Node: no loader comes along in the environment. */
function run(cwd: string, args: string[]): string {
  const env = { ...process.env, NODE_OPTIONS: "" };
  return execFileSync(process.execPath, args, { cwd, encoding: "utf8", env, timeout: 60_000 });
}

/** What docs/components.md tells people to write. */
const example = /```ts\n(.*?)```/s.exec(
  readFileSync(join(checkout, "docs", "components.md"), "utf8"),
)?.[1] as string;
const inCommonJs = example
  .replace(/^import (.*?) from "(.*?)";/s, 'const $1 = require("$2");')
  .replace("export const url", "exports.url");

/** Runs the example with nobody to make what it declares, and says what that was. */
const observe = (load: string) => `
async function observe(pulumi) {
  const declared = {};
  const answers = {
    "docker:index/image:Image": { repoDigest: "sha256:0" },
    "command:local:Command": { stdout: '{"postgres":"18.1","pgvector":"0.8.6"}' },
    "aws:s3/bucket:Bucket": { bucket: "shop-backups", arn: "arn:aws:s3:::shop-backups" },
  };
  const newResource = ({ type, name, inputs }) => {
    declared[name] = inputs;
    const stashed = type === "pulumi:index:Stash" && { output: inputs.input };
    return { id: name, state: { ...inputs, ...stashed, ...answers[type] } };
  };
  await pulumi.runtime.setMocks({ newResource, call: () => ({}) }, "shop", "test");
  const { readMigrationFiles } = ${load.replace("FILE", "pgstead/components")};
  const { newest } = await readMigrationFiles({
    settings: {
      stack: "test",
      engine: "docker",
      database: { host: "127.0.0.1", port: 1, name: "shop", user: "nobody" },
      migrations: { folder: process.cwd() + "/migrations" },
    },
  });
  process.once("exit", () => {
    const { context, dockerfile } = declared["postgres-image-server"].build;
    console.log(JSON.stringify({
      newest,
      context,
      dockerfile,
      agentContext: declared["postgres-image-agent"].build.context,
      step: declared["migrations-run"].create,
      agent: declared["agent-container"].name,
      rules: declared["backups-lifecycle"].rules.length,
    }));
  });
  ${load.replace("FILE", "./example")};
}
`;
const programs = [
  {
    kind: "ESM",
    ending: "mjs",
    source: example,
    main: `import * as pulumi from "@pulumi/pulumi";
${observe('await import("FILE")').replace("./example", "./example.mjs")}
await observe(pulumi);`,
  },
  {
    kind: "CommonJS",
    ending: "cjs",
    source: inCommonJs,
    main: `${observe('require("FILE")').replace("./example", "./example.cjs")}
observe(require("@pulumi/pulumi"));`,
  },
];

test.each(programs)("the example of the docs runs in $kind, and finds its files", (program) => {
  const { kind, ending, source, main } = program;
  const project = consumer(kind, [...peers, ...Object.keys(dependencies)]);
  mkdirSync(join(project, "migrations"));
  writeFileSync(join(project, "migrations", "0001_orders.sql"), "CREATE TABLE orders (id int);");
  writeFileSync(join(project, `example.${ending}`), source);
  writeFileSync(join(project, `main.${ending}`), main);
  expect(JSON.parse(run(project, [`main.${ending}`]))).toEqual({
    newest: "0001_orders",
    context: "node_modules/pgstead/postgres",
    dockerfile: "node_modules/pgstead/postgres/Dockerfile.debian",
    agentContext: "node_modules/pgstead/dist",
    step: "node node_modules/pgstead/dist/pgstead.cjs step migrate",
    agent: "test-agent",
    rules: 4,
  });
  const packed = (path: string) => statSync(join(project, "node_modules", "pgstead", path));
  expect(packed("postgres/Dockerfile.debian").isFile()).toBe(true);
  // Copied into the image as they are, and started there.
  expect(packed("postgres/guard.sh").mode & 0o111).toBe(0o111);
});

test("one component alone needs neither the SDK of Docker nor that of AWS", () => {
  const project = consumer("alone", required);
  const text = `import { EmbeddedPostgres } from "pgstead/components/engines/embedded";
console.log(EmbeddedPostgres.name);`;
  writeFileSync(join(project, "program.mjs"), text);
  expect(run(project, ["program.mjs"])).toBe("EmbeddedPostgres\n");
});
