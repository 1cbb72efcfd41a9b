import { spawnSync } from "node:child_process";
import { afterAll, beforeAll, expect, test } from "vitest";
import { inspect } from "../contract/docker-cli.ts";
import { StackProject } from "./stack-project.ts";

const NUMBERS = "create table public.numbers as select generate_series(1, 7);";

let project: StackProject;
beforeAll(async () => {
  project = await StackProject.create("dev", "17");
  // The version that Debian packages for PostgreSQL 17.
  project.configurePostgres({ pgvector: { from: "package", allowBelowFloor: "0.8.0" } });
});
afterAll(() => project?.remove());

/** Runs a verb that must succeed. */
async function pgstead(...args: string[]): Promise<string> {
  const { code, all } = await project.pgstead(args);
  expect(code, all).toBe(0);
  return all;
}

// The tests run in order: each continues with the stack of the one before.
test("up creates a stack of PostgreSQL 17, without the volume that its image declares", async () => {
  expect(await pgstead("up", "--yes")).toContain('applied 3 to "app", now at 0003_audit_log');
  expect(await project.outputs()).toMatchObject({
    postgresVersion: expect.stringMatching(/^17\./),
  });
  expect(project.asSuperuser("show data_directory")).toBe("/var/lib/postgresql/17/docker");
  const mounts: { Name: string }[] = inspect("container", `${project.stack}-postgres`).Mounts;
  const names = mounts.map(({ Name }) => Name).sort();
  expect(names).toEqual([`${project.stack}-data`, `${project.stack}-socket`]);
});

test("the image refuses to start with the volume that it declares, and names the option to add", () => {
  const { Image } = inspect("container", `${project.stack}-postgres`);
  const { status, stderr } = spawnSync("docker", ["run", "--rm", Image], { encoding: "utf8" });
  expect([status, stderr]).toEqual([
    78,
    expect.stringContaining("--tmpfs /var/lib/postgresql/data hides it"),
  ]);
});

test("a second preview shows no change", () => pgstead("preview", "--expect-no-changes"));

test("a migration runs, and a scratch server of 17 verifies the files and the backup", async () => {
  project.migration("0004_numbers", NUMBERS);
  expect(await pgstead("migrate", "up")).toContain("applied 0004_numbers");
  expect(await pgstead("migrate", "verify")).toContain("no drift");
  expect(await pgstead("backup", "now")).toMatch(/: [\d.]+ kB of 9 tables in /);
  expect(await pgstead("backup", "verify", "latest")).toMatch(/: proven, .*\n +compared +9 tables/);
});

test("down and up keep the data", async () => {
  await pgstead("down", "--yes");
  await pgstead("up", "--yes");
  expect(project.asSuperuser("select count(*) from numbers")).toBe("7");
  expect(await pgstead("check")).toMatch(/ok +pgvector/);
});

test("a new stack of 18 adopts the cluster with its history and roles", async () => {
  const next = await StackProject.create("dev");
  next.migration("0004_numbers", NUMBERS);
  try {
    const adopted = await next.pgstead(["adopt-volume", `${project.stack}-data`, "--yes"]);
    expect(adopted.code, adopted.all).toBe(0);
    const up = await next.pgstead(["up", "--yes"]);
    expect(up.code, up.all).toBe(0);
    expect(await next.outputs()).toMatchObject({ schemaVersion: "0004_numbers" });
    expect(await next.asApplication("select count(*)::int from numbers")).toEqual([[7]]);
  } finally {
    next.remove();
  }
});
