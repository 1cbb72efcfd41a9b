import { spawnSync } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { docker, inspect } from "../contract/docker-cli.ts";
import { freePort } from "../support/free-port.ts";
import { StackProject } from "./stack-project.ts";

let project: StackProject;
beforeAll(async () => {
  project = await StackProject.create("dev");
});
afterAll(() => project?.remove());

const server = () => `${project.stack}-postgres`;
/** Read once: it takes a second. */
let readonlyUrl: string | undefined;

// The tests run in order: each continues with the stack of the one before.
describe("stack dev", () => {
  test("a plain pulumi up creates the whole stack", async () => {
    const { code, all } = await project.pulumi("up --yes --skip-preview");
    expect(code, all).toBe(0);
    expect(all).toContain('applied 3 to "app", now at 0003_audit_log');
    expect(await project.outputs()).toMatchObject({
      host: "postgres",
      port: 5432,
      network: `${project.stack}-network`,
      postgresVersion: expect.stringMatching(/^18\./),
      pgvectorVersion: expect.stringMatching(/^0\.\d+\.\d+$/),
      schemaVersion: "0003_audit_log",
    });
  });

  test("an application connects at 127.0.0.1, and on the network by the name postgres", async () => {
    const sql = "select current_user, '[1,2,3]'::vector <-> '[1,2,5]'::vector";
    expect(await project.asApplication(sql)).toEqual([["app", 2]]);
    const { url, network } = await project.outputs();
    const psql = ["psql", url!, "-AtXqc", sql];
    expect(
      docker("run", "--rm", "--network", network!, "--entrypoint", "", serverImage(), ...psql),
    ).toBe("app|2");
  });

  test("S3: a new cluster has a collation of its own and a superuser without a password", () => {
    const collation = "select datlocprovider, datlocale from pg_database where datname = 'app'";
    expect(project.asSuperuser(collation)).toBe("b|C.UTF-8");
    const password = "select rolpassword is null from pg_authid where rolname = 'postgres'";
    expect(project.asSuperuser(password)).toBe("t");
    expect(project.asSuperuser("show data_directory")).toBe("/var/lib/postgresql/18/docker");
    expect(
      docker("exec", server(), "cat", "/var/lib/postgresql/18/docker/pg_hba.conf"),
    ).not.toMatch(/\btrust\b/);
  });

  test("S5: fails to let the application change the schema, the history or the audit log", async () => {
    const refused = /permission denied/;
    await expect(project.asApplication("create table public.mine (n int)")).rejects.toThrow(
      refused,
    );
    await expect(project.asApplication("delete from audit.log")).rejects.toThrow(refused);
    await expect(project.asApplication("delete from pgstead.schema_migrations")).rejects.toThrow(
      refused,
    );
  });

  test.each([
    ["insert into documents default values", "permission denied for table documents"],
    ["update documents set title = ''", "permission denied for table documents"],
    ["delete from documents", "permission denied for table documents"],
    ["truncate documents", "permission denied for table documents"],
    ["select nextval(pg_get_serial_sequence('documents', 'id'))", "permission denied for sequence"],
    ["create table public.mine (n int)", "permission denied for schema public"],
    ["create temp table mine (n int)", "permission denied to create temporary tables"],
    ["create schema mine", "permission denied for database"],
    ["select * from pgstead.schema_migrations", "permission denied for schema pgstead"],
    ["set role owner", 'permission denied to set role "owner"'],
    ["alter role app password 'x'", "permission denied to alter role"],
  ])("S5: fails to let readonly run: %s", async (sql, refusal) => {
    expect(await asReadonly("select count(*)::int from documents")).toEqual([[0]]);
    await expect(asReadonly(sql)).rejects.toThrow(refusal);
  });

  test.each(["postgres", "template1"])(
    "S5: fails to let a role connect to the database %s",
    async (database) => {
      await expect(asReadonly("select 1", database)).rejects.toThrow(
        "permission denied for database",
      );
      expect(docker("exec", server(), "psql", "-U", "postgres", "-Atc", "select 1", database)).toBe(
        "1",
      );
    },
  );

  test("a second up changes only the migration step", async () => {
    const preview = await project.pgstead(["preview", "--expect-no-changes"]);
    expect(preview.code, preview.all).toBe(0);
    const { code, all } = await project.pgstead(["up", "--yes"]);
    expect(code, all).toBe(0);
    expect(all).toMatch(/Resources:\n\s+~ 1 updated\n\s+\d+ unchanged/);
  });

  test("a preview shows the pending migration, and up applies it", async () => {
    project.migration("0004_numbers", "create table public.numbers (n bigint primary key);\n");
    const preview = await project.pulumi("preview --diff");
    expect(preview.all).toContain('PGSTEAD_PENDING: "none" => "0004_numbers"');
    const list = await project.pgstead(["migrate", "list", "--pending"]);
    expect([list.code, list.stdout.trim()]).toEqual([2, "0004_numbers  pending"]);
    const { code, all } = await project.pgstead(["up", "--yes"]);
    expect(code, all).toBe(0);
    expect(all).toContain('applied 1 to "app", now at 0004_numbers');
  });

  test("verbs work on this machine, and in the agent with docker exec only", async () => {
    const status = await project.pgstead(["status"]);
    expect(status.code, status.all).toBe(0);
    expect(docker("exec", `${project.stack}-agent`, "pgstead", "status")).toBe(
      status.stdout.trim(),
    );
    expect((await project.pgstead(["check"])).code).toBe(0);
    const psql = await project.run(
      process.execPath,
      ["dist/pgstead.cjs", "psql", "--stack", project.stack, "-At"],
      { stdin: "select current_user" },
    );
    expect(psql.stdout.trim()).toBe("postgres");
    expect((await project.pgstead(["logs", "-n", "100"])).all).toContain(
      "ready to accept connections",
    );
    expect((await project.pgstead(["restart"])).stdout).toContain("restarted");
  });

  test("a killed process of docker exec does not end the server", () => {
    const since = "select backend_start from pg_stat_activity where backend_type = 'checkpointer'";
    const before = project.asSuperuser(since);
    const shell = (line: string) => docker("exec", "-u", "postgres", server(), "sh", "-c", line);
    const orphan = shell("sleep 600 >/dev/null 2>&1 & echo $!");
    // Wait until process 1 has seen it. A postgres that is process 1 would end all its backends then.
    shell(`kill -KILL ${orphan}; while kill -0 ${orphan} 2>/dev/null; do sleep 0.1; done`);
    expect(project.asSuperuser(since)).toBe(before);
  });

  test("migrate new writes a file into the checkout, and the agent replays the files", async () => {
    const created = await project.pgstead(["migrate", "new", "later"]);
    expect(created.stdout.trim()).toBe(join(project.root, "migrations", "0005_later.sql"));
    rmSync(created.stdout.trim());
    const verified = await project.pgstead(["migrate", "verify"]);
    expect([verified.code, verified.stdout]).toEqual([0, expect.stringContaining("no drift")]);
    const from = await project.pgstead(["migrate", "new", "later", "--from", "wanted.sql"]);
    expect([from.code, from.all]).toEqual([1, expect.stringContaining('add "--stack local"')]);
  });

  test("another stack with an application reads the outputs, joins the network and queries vectors", async () => {
    const port = await freePort();
    project.exampleConfig({
      "pgstead-app:database": `organization/pgstead/${project.stack}`,
      "pgstead-app:image": project.baseImage,
      "pgstead-app:port": port,
    });
    expect((await project.pulumi("-C examples/app stack init")).code).toBe(0);
    const { code, all } = await project.pulumi("-C examples/app up --yes --skip-preview");
    expect(code, all).toBe(0);
    const found = (await ask(`http://127.0.0.1:${port}/?like=a+cat+on+a+sofa`)) as object[];
    expect(found[0]).toMatchObject({ title: "cats sleep on every sofa" });
    expect(docker("inspect", `${project.stack}-app`)).not.toContain("postgresql://");
    expect((await project.pulumi("-C examples/app destroy --yes")).code).toBe(0);
  });

  test("a server that is replaced under load shuts down cleanly, and no acknowledged write is lost", async () => {
    const load = writeNumbers();
    project.configurePostgres({ maintenanceWorkMemMb: 128 });
    project.configure("pgstead:backups", { schedule: "7 3 * * *" });
    const agent = inspect("container", `${project.stack}-agent`).Id;
    const { code, all } = await project.pgstead(["up", "--yes"]);
    const acknowledged = await load.stop();
    expect(inspect("container", `${project.stack}-agent`).Id).toBe(agent);
    expect(code, all).toBe(0);
    expect(acknowledged).toBeGreaterThan(100);
    const [[count]] = (await project.asApplication("select count(*)::int from numbers")) as [
      [number],
    ];
    expect(count).toBeGreaterThanOrEqual(acknowledged);
    expect(logsOf(server())).toContain("database system was shut down at");
    expect(logsOf(server())).not.toContain("not properly shut down");
    expect(inspect("container", server()).HostConfig.ShmSize).toBe(320 * 2 ** 20);
  });

  test("up creates a container again that was removed by hand, with its data", async () => {
    docker("rm", "-f", server());
    const preview = await project.pulumi("preview");
    expect(preview.all).toMatch(/postgres-server-container\s+create/);
    const { code, all } = await project.pgstead(["up", "--yes"]);
    expect(code, all).toBe(0);
    expect(Number(project.asSuperuser("select count(*) from numbers"))).toBeGreaterThan(100);
  });

  test("the agent uses a schedule that changed while it ran", async () => {
    const agent = `${project.stack}-agent`;
    const used = () => expect(logsOf(agent)).toContain('backups at "7 3 * * *" UTC');
    await vi.waitFor(used, { timeout: 30_000, interval: 500 });
    expect(logsOf(agent)).toContain("the settings have changed");
  });

  test("down keeps the data, and the next up uses it again, both with an application connected", async () => {
    const before = project.asSuperuser("select count(*) from numbers");
    const connect = async () => {
      const connectionString = (await project.outputs()).hostUrl!;
      return new pg.Pool({ connectionString, idleTimeoutMillis: 0 });
    };
    const count = async (from: pg.Pool) =>
      (await from.query("select count(*) from numbers")).rows[0].count;
    const connected = await connect();
    const lost: Error[] = [];
    connected.on("error", (error) => lost.push(error));
    expect(await count(connected)).toBe(before);
    const down = await project.pgstead(["down", "--yes"]);
    expect(down.code, down.all).toBe(0);
    expect(inspect("container", server())).toBeUndefined();
    expect(lost.map(({ message }) => message)).toEqual([
      "terminating connection due to administrator command",
    ]);
    await expect(count(connected)).rejects.toThrow("ECONNREFUSED");
    const { code, all } = await project.pgstead(["up", "--yes"]);
    expect(code, all).toBe(0);
    // Its passwords are the same, so the pool connects again by itself.
    expect(await count(connected)).toBe(before);
    await connected.end();
  });

  test("no secret is in the state, the logs, docker inspect or the process list", async () => {
    const { url, migratorUrl, readonlyUrl } = await project.outputs();
    const passwords = [url, migratorUrl, readonlyUrl].map((each) => new URL(each!).password);
    const names = docker("ps", "-aq", "--filter", `name=${project.stack}-`).split("\n");
    const seen: Record<string, string> = {
      printed: project.printed,
      inspect: docker("inspect", ...names),
      images: docker("history", "--no-trunc", serverImage()),
      logs: names.map(logsOf).join("\n"),
      processes: docker("top", server(), "-eo", "pid,args"),
      environment: readFileSync(
        `/proc/${inspect("container", server()).State.Pid}/environ`,
        "utf8",
      ),
      state: readFileSync(
        join(project.root, "state", ".pulumi", "stacks", "pgstead", `${project.stack}.json`),
        "utf8",
      ),
    };
    for (const [place, text] of Object.entries(seen)) {
      expect(text.length, place).toBeGreaterThan(0);
      for (const password of passwords) expect(text.includes(password), place).toBe(false);
    }
  });

  test("S2: fails when the volume was removed by hand", async () => {
    docker("rm", "-fv", server());
    docker("volume", "rm", `${project.stack}-data`);
    const { code, all } = await project.pgstead(["up", "--yes"]);
    expect(code).not.toBe(0);
    expect(all).toContain(`volume "${project.stack}-data" is gone, although stack`);
    expect(inspect("volume", `${project.stack}-data`)).toBeUndefined();
  });

  test("acceptEmptyVolume starts with an empty cluster", async () => {
    project.configurePostgres({ acceptEmptyVolume: true });
    const { code, all } = await project.pgstead(["up", "--yes"]);
    expect(code, all).toBe(0);
    expect(all).toContain("applied 4");
  });

  test("a plain pulumi refresh and destroy leave only the volumes, and what belongs to them", async () => {
    expect((await project.pulumi("refresh --yes")).code).toBe(0);
    const plain = await project.pulumi("destroy --yes");
    expect([plain.code === 0, plain.all]).toEqual([false, expect.stringContaining("protected")]);
    expect(inspect("container", server())).toMatchObject({ State: { Running: true } });
    const { code, all } = await project.pulumi("destroy --exclude-protected --yes");
    expect(code, all).toBe(0);
    expect(docker("ps", "-aq", "--filter", `name=${project.stack}-`)).toBe("");
    expect(docker("network", "ls", "-q", "--filter", `name=${project.stack}-`)).toBe("");
    const volumes = docker("volume", "ls", "-q", "--filter", `name=${project.stack}-`).split("\n");
    // "previous" is the record of the open change that `undo` takes back.
    const kept = ["agent", "backups", "data", "previous"].map((kind) => `${project.stack}-${kind}`);
    expect(volumes).toEqual(kept);
  });
});

/** Repeats the request, because the application may still be starting. */
async function ask(address: string): Promise<unknown> {
  for (let tries = 0; tries < 40; tries++) {
    const response = await fetch(address).catch(() => undefined);
    if (response?.ok) return response.json();
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  throw new Error(`${address} did not answer`);
}

/** Runs one statement as the role readonly, from this machine. */
async function asReadonly(sql: string, database = "app"): Promise<unknown[][]> {
  readonlyUrl ??= (await project.outputs()).readonlyUrl!;
  const url = new URL(readonlyUrl);
  url.host = `127.0.0.1:${project.port}`;
  url.pathname = database;
  const client = new pg.Client({ connectionString: url.href });
  await client.connect();
  try {
    return (await client.query({ text: sql, rowMode: "array" })).rows;
  } finally {
    await client.end();
  }
}

/** Reads stdout and stderr, because a server logs to stderr. */
function logsOf(container: string): string {
  const { stdout, stderr } = spawnSync("docker", ["logs", container], { encoding: "utf8" });
  return stdout + stderr;
}

const serverImage = () => inspect("container", server()).Image as string;

/** Writes rows one by one, and counts the acknowledged ones. */
function writeNumbers() {
  let acknowledged = 0;
  let stopped = false;
  const writing = (async () => {
    const { hostUrl } = await project.outputs();
    const client = new pg.Client({ connectionString: hostUrl! });
    client.on("error", () => {});
    await client.connect();
    try {
      for (let n = 0; !stopped; n++) {
        await client.query("insert into numbers values ($1)", [n]);
        acknowledged++;
      }
    } catch {
      // The replacement has ended the connection.
    } finally {
      await client.end().catch(() => {});
    }
  })();
  return {
    async stop() {
      stopped = true;
      await writing;
      return acknowledged;
    },
  };
}
