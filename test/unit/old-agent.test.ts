import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, expect, test } from "vitest";

const folder = mkdtempSync(join(tmpdir(), "pgstead-old-agent-"));
afterAll(() => rmSync(folder, { recursive: true }));

mkdirSync(join(folder, "migrations"));
mkdirSync(join(folder, "bin"));
writeFileSync(join(folder, "Pulumi.yaml"), "name: pgstead\n");
writeFileSync(join(folder, "Pulumi.old.yaml"), "config:\n  pgstead:engine: docker\n");
writeFileSync(join(folder, "migrations", "0001_a.sql"), "select 1;\n");
// A container runs, and its pgstead has no such verb.
const docker = `#!/bin/sh
[ "$1" = exec ] || { echo running; exit; }
echo "error: unknown command 'answer'" >&2
exit 1
`;
writeFileSync(join(folder, "bin", "docker"), docker, { mode: 0o755 });

const list = (...args: string[]) =>
  spawnSync(process.execPath, [resolve("dist/pgstead.cjs"), "migrate", "list", ...args], {
    cwd: folder,
    encoding: "utf8",
    env: { PATH: `${join(folder, "bin")}:${process.env.PATH}`, PGSTEAD_STACK: "old" },
  });

test("an agent of another version is unreachable, and the message says what replaces it", () => {
  const { status, stderr } = list();
  expect(status).toBe(3);
  expect(stderr).toContain('"pgstead up --stack old" replaces it');
});

test("`up` can ask for what is pending although the agent is of another version", () => {
  const { status, stdout } = list("--allow-unreachable", "--json");
  expect(status).toBe(2);
  expect(JSON.parse(stdout)).toMatchObject({ pending: 1, migrations: [{ version: "0001_a" }] });
});
