import { spawnSync } from "node:child_process";
import { appendFileSync, chmodSync, mkdtempSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Project } from "../support/project.ts";

let project: Project;
beforeAll(async () => {
  project = await Project.create();
});
afterAll(() => project.remove());

test("fails on every mistake of the configuration at once", async () => {
  project.configure('  pgstead:prot: "5434"\n  pgstead:migrations:\n    runOn: sometimes\n');
  const up = await project.pgstead(["up"]);
  expect(up.code).toBe(1);
  expect(up.all).toContain('the configuration of stack "local" has 2 mistakes:');
  expect(up.all).toContain('pgstead:prot: unknown key; did you mean "pgstead:port"?');
  expect(up.all).toContain(
    'pgstead:migrations.runOn: got "sometimes", allowed: "always", "changed"',
  );
});

test("fails on a stack file that is no YAML, and names the file and the place", async () => {
  project.configure("  - : : [\n");
  const up = await project.pgstead(["up"]);
  expect(up.code).toBe(1);
  expect(up.stderr).toMatch(/Pulumi\.local\.yaml is not valid YAML: .* at line 3/);
});

test("fails on a stack that does not exist, and lists those that do", async () => {
  const up = await project.pgstead(["up", "--stack", "stagging"]);
  expect(up.code).toBe(1);
  expect(up.stderr).toContain("known stacks: local");
});

test("fails outside the project", async () => {
  const status = await project.pgstead(["status"], { cwd: tmpdir() });
  expect(status.code).toBe(1);
  expect(status.stderr).toContain("no pgstead project here");
});

test("fails on a port that somebody else has, names the process and a free port", async () => {
  const foreign = createServer().listen(project.port, "127.0.0.1");
  project.configure(`  pgstead:port: "${project.port}"\n`);
  const up = await project.pgstead(["up"]);
  foreign.close();
  expect(up.code, up.all).toBe(3);
  expect(up.all).toContain(`port ${project.port} is taken by process ${process.pid}`);
  expect(up.all).toMatch(/port \d+ is free: pulumi config set pgstead:port \d+ --stack local/);
  const again = await project.pgstead(["up"]);
  expect(again.code, again.all).toBe(0);
});

test("fails on a port that another checkout's server has, instead of migrating its database", async () => {
  const other = await Project.create();
  try {
    other.configure(`  pgstead:port: "${project.port}"\n`);
    const up = await other.pgstead(["up"]);
    expect(up.code, up.all).toBe(3);
    expect(up.all).toContain(`port ${project.port} is taken by process`);
  } finally {
    await other.remove();
  }
});

test("fails on data of another major, and touches nothing", async () => {
  await project.pgstead(["down"]);
  writeFileSync(join(project.folder, "data", "PG_VERSION"), "17\n");
  const up = await project.pgstead(["up"]);
  writeFileSync(join(project.folder, "data", "PG_VERSION"), "18\n");
  expect(up.code, up.all).not.toBe(0);
  expect(up.all).toContain("was written by PostgreSQL 17");
  expect((await project.pgstead(["up"])).code).toBe(0);
});

test("settings of another version are said to be so, and up writes them anew", async () => {
  writeFileSync(join(project.folder, "settings.json"), '{"stack":"local","engine":"floppy"}');
  const status = await project.pgstead(["status"]);
  expect(status.code).toBe(1);
  expect(status.stderr).toContain('run "pgstead up" to write them again');
  expect((await project.pgstead(["up"])).code).toBe(0);
  expect((await project.pgstead(["status"])).code).toBe(0);
});

test("fails on a bundle that is older than its sources, and names the command", async () => {
  const source = join(project.root, "operate", "error.ts");
  appendFileSync(source, "\n// edited\n");
  const help = await project.pgstead(["--help"]);
  expect(help.code).toBe(1);
  expect(help.stderr).toContain('"npm run build" builds it again');
  const { cpSync } = await import("node:fs");
  cpSync(join(import.meta.dirname, "../../operate/error.ts"), source);
  // Touched, but the same: the content decides.
  expect((await project.pgstead(["--help"])).code).toBe(0);
});

test("fails on a Node that is too old, before anything is installed", () => {
  const folder = mkdtempSync(join(tmpdir(), "old-node-"));
  const stub = `#!/bin/sh\nexec "${process.execPath}" -e "Object.defineProperty(process.versions, 'node', { value: '18.1.0' }); $2"\n`;
  writeFileSync(join(folder, "node"), stub);
  chmodSync(join(folder, "node"), 0o755);
  const checked = spawnSync("sh", [join(project.root, "tools", "check-node.sh")], {
    encoding: "utf8",
    env: { PATH: `${folder}:/usr/bin:/bin` },
  });
  expect(checked.status).toBe(1);
  expect(checked.stderr).toContain("Node.js 18.1.0 is too old; pgstead needs 20.19 or newer");
});

test("fails on an unknown verb and an unknown flag with code 1", async () => {
  for (const args of [["statsu"], ["status", "--jsn"]]) {
    const ended = await project.pgstead(args);
    expect(ended.code).toBe(1);
    expect(ended.stderr).toMatch(/Did you mean (status|--json)\?/);
  }
});

test("fails on prod without a shared backend or a passphrase, with the fix", async () => {
  writeFileSync(join(project.root, "Pulumi.prod.yaml"), "config:\n  pgstead:engine: embedded\n");
  const noBackend = await project.pgstead(["up", "--stack", "prod"]);
  expect(noBackend.code).toBe(1);
  expect(noBackend.stderr).toContain("set PULUMI_BACKEND_URL");
  const noPassphrase = await project.pgstead(["up", "--stack", "prod"], {
    env: { PULUMI_BACKEND_URL: `file://${project.root}/elsewhere` },
  });
  expect(noPassphrase.code).toBe(1);
  expect(noPassphrase.stderr).toContain("set PULUMI_CONFIG_PASSPHRASE_FILE");
});
