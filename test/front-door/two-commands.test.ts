import { cpSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Project } from "../support/project.ts";

let project: Project;
beforeAll(async () => {
  project = await Project.create();
  const checkout = join(import.meta.dirname, "..", "..");
  cpSync(join(checkout, "Makefile"), join(project.root, "Makefile"));
});
afterAll(() => project.remove());

const query = async (sql: string) => (await project.pgstead(["psql", "-Atc", sql])).stdout.trim();

describe("from a fresh clone", () => {
  test("up brings a server with pgvector and the schema", async () => {
    const up = await project.pgstead(["up"]);
    expect(up.code, up.all).toBe(0);
    expect(up.stdout).toMatch(/schemaVersion\s*: "0003_audit_log"/);
    expect(await query("SELECT extname FROM pg_extension WHERE extname = 'vector'")).toBe("vector");
    expect(await query("SELECT count(*) FROM documents")).toBe("0");
  });

  test("the versions among the outputs are those of the running server", async () => {
    const outputs = JSON.parse((await project.pgstead(["outputs", "--json"])).stdout);
    expect(await query("SHOW server_version")).toBe(outputs.postgresVersion);
    expect(await query("SELECT extversion FROM pg_extension WHERE extname = 'vector'")).toBe(
      outputs.pgvectorVersion,
    );
    expect(outputs.url).toBe("[secret]");
    expect(outputs.network).toBeNull();
  });

  test("the example app reads the outputs and finds the nearest document", async () => {
    const env = await project.pgstead(["outputs", "--env"]);
    const url = /^DATABASE_URL=(.*)$/m.exec(env.stdout)?.[1] as string;
    const app = await project.run(
      process.execPath,
      ["--import", "tsx", "examples/search.ts", "a cat on a sofa"],
      { env: { DATABASE_URL: url } },
    );
    expect(app.code, app.all).toBe(0);
    expect(app.stdout.split("\n")[0]).toContain("cats");
  });

  test("a second up changes only the migration step", async () => {
    const preview = await project.pgstead(["preview", "--expect-no-changes", "--json"]);
    expect(preview.code, preview.all).toBe(0);
    expect(JSON.parse(preview.stdout)).toEqual({ changes: [] });
    const up = await project.pgstead(["up"]);
    expect(up.code, up.all).toBe(0);
    expect(up.stdout).toMatch(/Resources:\s+~ 1 updated\s+4 unchanged/);
  });

  test("a migration added by hand shows in the preview and runs at the next up", async () => {
    const file = join(project.root, "migrations", "0004_note.sql");
    writeFileSync(file, "CREATE TABLE note (id int);\n");
    const preview = await project.pgstead(["preview", "--diff"]);
    expect(preview.stdout).toContain('PGSTEAD_PENDING: "none" => "0004_note"');
    expect((await project.pgstead(["up"])).code).toBe(0);
    expect(await query("SELECT to_regclass('note')")).toBe("note");
  });

  test("status, check and doctor agree that all is well", async () => {
    for (const verb of ["status", "check", "doctor"]) {
      const answer = await project.pgstead([verb]);
      expect(answer.code, answer.all).toBe(0);
    }
  });

  test("down stops the server, and up again finds the data", async () => {
    await query("INSERT INTO tenants (name) VALUES ('Kept')");
    const down = await project.pgstead(["down"]);
    expect(down.code, down.all).toBe(0);
    expect((await project.pgstead(["status"])).code).toBe(3);
    expect((await project.pgstead(["up"])).code).toBe(0);
    expect(await query("SELECT name FROM tenants WHERE name = 'Kept'")).toBe("Kept");
  });

  test("pulumi typed as such works after `pgstead env`", async () => {
    const env = JSON.parse((await project.pgstead(["env", "--json"])).stdout);
    for (const args of [
      ["preview", "--stack", "local"],
      ["up", "--yes", "--skip-preview", "--stack", "local"],
      ["destroy", "--yes", "--skip-preview", "--stack", "local"],
      ["up", "--yes", "--skip-preview", "--stack", "local"],
    ]) {
      const ended = await project.run("pulumi", args, { env });
      expect(ended.code, ended.all).toBe(0);
    }
    expect(await query("SELECT name FROM tenants WHERE name = 'Kept'")).toBe("Kept");
  });

  test("works from a sub-folder", async () => {
    const status = await project.pgstead(["status"], { cwd: join(project.root, "migrations") });
    expect(status.code, status.all).toBe(0);
  });

  test("no URL is in the state in clear", () => {
    const state = join(project.root, ".pgstead/state/.pulumi/stacks/pgstead/local.json");
    const text = readFileSync(state, "utf8");
    expect(text).toContain("postgres-server");
    expect(JSON.parse(text).checkpoint.latest.resources[0].outputs).toHaveProperty("url");
    expect(text).not.toContain("postgresql://");
  });

  test("npx pgstead VERB works as the README types it, also in a sub-folder", async () => {
    const npx = (line: string, cwd = project.root) =>
      project.run("sh", ["-c", `npx pgstead ${line}`], { cwd });
    const status = await npx("status");
    expect([status.code, status.stdout]).toEqual([0, expect.stringContaining("0004_note")]);
    const psql = await npx(`psql -Atc "SELECT name FROM tenants WHERE name = 'Kept'"`);
    expect([psql.code, psql.stdout.trim()]).toEqual([0, "Kept"]);
    const env = await npx("outputs --env | sed -n 's/^DATABASE_URL=//p'");
    expect([env.code, env.stdout]).toEqual([0, expect.stringMatching(/^postgresql:\/\//)]);
    const backup = await npx("backup now", join(project.root, "migrations"));
    expect([backup.code, backup.stdout]).toEqual([0, expect.stringMatching(/^app-\d{8}T/)]);
    const wrong = await npx("upp");
    expect([wrong.code, wrong.all]).toEqual([1, expect.stringContaining("up")]);
  });

  test("make down and make up again, with an application connected", async () => {
    const { url } = JSON.parse(
      (await project.pgstead(["outputs", "--json", "--show-secrets"])).stdout,
    );
    const pool = new pg.Pool({ connectionString: url, idleTimeoutMillis: 0 });
    const lost: string[] = [];
    pool.on("error", ({ message }) => lost.push(message));
    const kept = async () =>
      (await pool.query("SELECT count(*)::int AS n FROM tenants WHERE name = 'Kept'")).rows[0].n;
    expect(await kept()).toBe(1);
    // What is installed and built stays as it is here.
    const built = ["-o", "node_modules/.package-lock.json", "-o", "dist/pgstead.cjs"];
    const make = (target: string) => project.run("make", [...built, target]);
    const down = await make("down");
    expect(down.code, down.all).toBe(0);
    expect(lost).toHaveLength(1);
    await expect(kept()).rejects.toThrow("ECONNREFUSED");
    const up = await make("up");
    expect(up.code, up.all).toBe(0);
    expect(await kept()).toBe(1);
    await pool.end();
  });

  test("--delete-data takes the stack's name and nothing else", async () => {
    const wrong = await project.pgstead(["down", "--delete-data", "prod", "--yes"]);
    expect(wrong.code).toBe(1);
    expect(existsSync(project.folder)).toBe(true);
    const right = await project.pgstead(["down", "--delete-data", "local", "--yes"]);
    expect(right.code, right.all).toBe(0);
    expect(existsSync(project.folder)).toBe(false);
  });
});
