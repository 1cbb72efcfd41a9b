import { spawnSync } from "node:child_process";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { runAndKillWhen } from "../support/run-and-kill.ts";
import { docker } from "../support/server-container.ts";
import { buildImage, fixtureImage16 } from "../support/server-image.ts";
import { until } from "../support/until.ts";
import { at, ComposeServers, DATA, digestFiles, TABLE } from "./compose-server.ts";
import { StackProject } from "./stack-project.ts";

let project: StackProject;
let image16: string;
let old16: ComposeServers;
/** A server whose system user has the id of Alpine's user postgres. */
let ofAlpine: ComposeServers;
beforeAll(async () => {
  project = await StackProject.create("prod");
  project.configure("pgstead:database", "aexy");
  project.configurePostgres({ superuser: "aexy" });
  image16 = fixtureImage16();
  old16 = new ComposeServers(`${project.stack}-16`, image16);
  const alpine = `${project.stack}-alpine`;
  const dockerfile = `FROM ${project.baseImage}\nRUN groupmod -g 70 postgres && usermod -u 70 postgres`;
  buildImage(alpine, dockerfile);
  ofAlpine = new ComposeServers(alpine, alpine);
});
afterEach(() => {
  old16.removeContainers();
  ofAlpine.removeContainers();
});
afterAll(() => {
  project?.remove();
  spawnSync("docker", ["rmi", "-f", `${project.stack}-alpine`]);
  old16?.removeVolumes();
  ofAlpine?.removeVolumes();
});

const adopt = (...args: string[]) => project.pgstead(["adopt-volume", ...args]);
const target = () => `${project.stack}-data`;

/** Runs SQL as the stack's superuser, in the stack's database. */
const query = (sql: string) =>
  docker("exec", `${project.stack}-postgres`, "psql", "-U", "aexy", "-d", "aexy", "-AtXqc", sql);

async function waitUntilRunning(container: string): Promise<void> {
  const running = () => docker("ps", "-q", "--filter", `name=^/${container}$`);
  await until(() => running() !== "");
}

/** Objects besides tables, some of which exist only after a complete load. */
const MANY_OBJECTS = `${TABLE};
  create index on workspaces using hnsw (v vector_l2_ops);
  create sequence tickets; select nextval('tickets') from generate_series(1, 41);
  create role reporting login password 'of-old'; grant select on workspaces to reporting;
  create table notes (body text); insert into notes values (E'CREATE ROLE aexy;\n\\\\connect template1\nCREATE ROLE aexy;');
  alter database aexy set work_mem = '17MB';
  create schema billing; create type billing.state as enum ('open', 'paid'); create table billing.invoices (s billing.state);
  create function total() returns bigint language sql as 'select count(*) from workspaces';
  create database "Second one";
  create table schema_migrations (version bigint primary key, dirty boolean not null); insert into schema_migrations values (3, false);`;

describe("a cluster whose files this server cannot read is loaded from a dump", () => {
  test("S3: of another base, whose collations may differ", async () => {
    const old = await ofAlpine.start(at("/var/lib/postgresql"));
    docker("stop", "-t", "30", old.name);
    const { code, all } = await adopt(old.volume);
    expect(code, all).toBe(0);
    expect(all).toContain("comes from alpine, and the stack's image is debian");
    docker("volume", "rm", target());
  });

  test("fails when neither a container nor --image names its server", async () => {
    const old = await old16.start(at(DATA));
    docker("rm", "-f", old.name);
    const unnamed = await adopt(old.volume);
    expect([unnamed.code, unnamed.all]).toEqual([
      1,
      expect.stringContaining("--image pgvector/pgvector:pg16"),
    ]);
    const named = await adopt(old.volume, "--image", image16, "--dry-run");
    expect(named.code, named.all).toBe(0);
  });

  test("fails when the dump does not load, and does not change the old volume", async () => {
    // PostgreSQL 18 has removed this column.
    const sql = `${TABLE}; create view writes as select wal_write from pg_stat_wal`;
    const old = await old16.start(at(DATA), sql);
    docker("stop", "-t", "30", old.name);
    const before = digestFiles(old.volume, image16);
    const { code, all } = await adopt(old.volume);
    expect(code, all).toBe(1);
    expect(all).toContain('column "wal_write" does not exist');
    expect(digestFiles(old.volume, image16)).toBe(before);
    expect(docker("ps", "-aq", "--filter", `name=${project.stack}-adopting`)).toBe("");
    docker("volume", "rm", target());
  });

  test("a cluster of PostgreSQL 16, after a killed first try, and up serves it", async () => {
    const old = await old16.start(at(DATA), MANY_OBJECTS);
    const dry = await adopt(old.volume, "--dry-run");
    expect([dry.code, dry.all]).toEqual([
      0,
      expect.stringContaining("the cluster is of PostgreSQL 16, and the stack's server is 18"),
    ]);
    const loading = waitUntilRunning(`${project.stack}-adopting`);
    const killed = await runAndKillWhen(loading, (options) =>
      project.pgstead(["adopt-volume", old.volume, "--yes"], options),
    );
    expect(killed.code, killed.all).toBe(null);
    docker("rm", "-f", `${project.stack}-adopting`);
    const mount = ["-v", `${target()}:/var/lib/postgresql`];
    const served = spawnSync("docker", [
      "run",
      "--rm",
      ...mount,
      `${project.stack}-postgres:adopting`,
    ]);
    expect([served.status, String(served.stderr)]).toEqual([
      78,
      expect.stringContaining("an adoption into this volume was interrupted"),
    ]);
    const before = digestFiles(old.volume, image16);
    const { code, all } = await adopt(old.volume, "--yes");
    expect(code, all).toBe(0);
    expect(digestFiles(old.volume, image16)).toBe(before);
    project.migration("0009_note", "alter table public.workspaces add column note text;");
    const refused = await project.pgstead(["up", "--yes"]);
    expect(refused.code, refused.all).toBe(4);
    expect(refused.all).toContain('"pgstead migrate adopt --from golang-migrate"');
    expect(refused.all).toContain("owner of 8 objects in aexy, which belonged to aexy");
    // The server, its roles and the agent are there, so the command of the refusal works.
    const adopted = await project.pgstead([
      ...["migrate", "adopt", "--from", "golang-migrate", "--yes"],
    ]);
    expect(adopted.code, adopted.all).toBe(0);
    expect(adopted.all).toContain("then pending: 0009_note");
    const up = await project.pgstead(["up", "--yes"]);
    expect(up.code, up.all).toBe(0);
    expect(query("set role app; update workspaces set note = 'x' where i = 1 returning note")).toBe(
      "x",
    );
    expect(query("set role app; select nextval('tickets'), total()")).toBe("42|500");
    expect(query("select count(*), max(v <-> '[1,1,1]') > 0 from workspaces")).toBe("500|t");
    expect(query("select body from notes")).toBe(
      "CREATE ROLE aexy;\n\\connect template1\nCREATE ROLE aexy;",
    );
    expect(query("show work_mem")).toBe("17MB");
    expect(query("select has_table_privilege('reporting', 'workspaces', 'select')")).toBe("t");
    expect(query("select 1 from pg_database where datname = 'Second one'")).toBe("1");
    expect(query("select 1 from pg_stats where tablename = 'workspaces' limit 1")).toBe("1");
    expect(query("show server_version_num")).toMatch(/^18/);
    // The stack's superuser can log in only over the socket.
    expect(query("select rolpassword is null from pg_authid where rolname = 'aexy'")).toBe("t");
    const second = await project.pgstead(["preview", "--expect-no-changes"]);
    expect(second.code, second.all).toBe(0);
  });
});
