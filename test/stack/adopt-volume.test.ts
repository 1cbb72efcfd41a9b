import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { docker } from "../support/server-container.ts";
import { at, ComposeServers, DATA, digestFiles } from "./compose-server.ts";
import { StackProject } from "./stack-project.ts";

let project: StackProject;
let servers: ComposeServers;
beforeAll(async () => {
  project = await StackProject.create("prod");
  project.configure("pgstead:database", "aexy");
  project.configurePostgres({ superuser: "aexy" });
  servers = new ComposeServers(project.stack, project.baseImage);
});
afterEach(() => servers.removeContainers());
afterAll(() => {
  project?.remove();
  servers?.removeVolumes();
});

const adopt = (...args: string[]) => project.pgstead(["adopt-volume", ...args]);
const target = () => `${project.stack}-data`;

function assertAdopted(all: string): void {
  const dump = /a dump of it is (\S+)/.exec(all)?.[1] as string;
  expect(statSync(dump).mode & 0o777).toBe(0o600);
  expect(gunzipSync(readFileSync(dump)).toString()).toMatch(
    /COPY "?public"?\."?workspaces"? .*\n1\t\[1,1,1\]/,
  );
  const list = "ls /v && cat /v/18/docker/PG_VERSION";
  const look = ["run", "--rm", "-v", `${target()}:/v`, "--entrypoint", "sh", project.baseImage];
  expect(docker(...look, "-c", list).split("\n")).toEqual(["18", "18"]);
}

describe("adopt-volume copies a compose volume into a stack", () => {
  test("in the layout of 16 and 17, while its server runs", async () => {
    const old = await servers.start(at(DATA, "-e", `PGDATA=${DATA}`));
    const asked = await adopt(old.volume);
    expect([asked.code, asked.all]).toEqual([
      4,
      expect.stringContaining(`is in use by "${old.name}"`),
    ]);
    const { code, all } = await adopt(old.volume, "--yes");
    expect(code, all).toBe(0);
    expect(all).toContain(`dumping what runs in "${old.name}"`);
    assertAdopted(all);
    docker("volume", "rm", target());
  });

  test("in an anonymous volume, found through its container", async () => {
    const old = await servers.start(() => []);
    docker("stop", "-t", "30", old.name);
    const missing = await adopt(old.volume);
    expect([missing.code, missing.all]).toEqual([
      1,
      expect.stringContaining("give its container with --from-container"),
    ]);
    const { code, all } = await adopt("--from-container", old.name);
    expect(code, all).toBe(0);
    expect(all).toContain("dumping the copy to");
    assertAdopted(all);
    const twice = await adopt("--from-container", old.name);
    expect([twice.code, twice.all]).toEqual([
      4,
      expect.stringContaining("holds something already"),
    ]);
    docker("volume", "rm", target());
  });

  test("in a folder of the volume, after a kill, and does not change the old volume", async () => {
    const old = await servers.start(at(DATA, "-e", `PGDATA=${DATA}/pgdata`));
    docker("kill", "--signal", "KILL", old.name);
    const before = digestFiles(old.volume, project.baseImage);
    const dry = await adopt(old.volume, "--dry-run");
    expect([dry.code, dry.all]).toEqual([0, expect.stringContaining('copy "pgdata" of it')]);
    const { code, all } = await adopt(old.volume);
    expect(code, all).toBe(0);
    assertAdopted(all);
    expect(digestFiles(old.volume, project.baseImage)).toBe(before);
    docker("volume", "rm", target());
  });

  test("fails for other names than the configured ones, and leaves no volume", async () => {
    const old = await servers.start(at("/var/lib/postgresql"));
    docker("stop", "-t", "30", old.name);
    project.configurePostgres({ superuser: "postgres" });
    project.configure("pgstead:database", "app");
    const { code, all } = await adopt(old.volume);
    expect(code).toBe(4);
    expect(all).toContain('pgstead:postgres.superuser is "postgres", and there is "aexy"');
    expect(all).toContain('pgstead:database is "app", and there is');
    expect(spawnSync("docker", ["volume", "inspect", target()]).status).not.toBe(0);
    project.configurePostgres({ superuser: "aexy" });
    project.configure("pgstead:database", "aexy");
  });

  test("in the layout of 18, and up serves it with the stack's roles", async () => {
    const old = await servers.start(at("/var/lib/postgresql"));
    docker("stop", "-t", "30", old.name);
    const adopted = await adopt(old.volume);
    expect(adopted.code, adopted.all).toBe(0);
    assertAdopted(adopted.all);
    const { code, all } = await project.pgstead(["up", "--yes"]);
    expect(code, all).toBe(0);
    const psql = [
      "exec",
      `${project.stack}-postgres`,
      "psql",
      "-U",
      "aexy",
      "-d",
      "aexy",
      "-AtXqc",
    ];
    expect(docker(...psql, "select count(*), max(v <-> '[1,1,1]') > 0 from workspaces")).toBe(
      "500|t",
    );
    expect(docker(...psql, "set role readonly; select count(*) from workspaces")).toBe("500");
    const second = await project.pgstead(["preview", "--expect-no-changes"]);
    expect(second.code, second.all).toBe(0);
    const late = await adopt(old.volume);
    expect([late.code, late.all]).toEqual([4, expect.stringContaining("has a server of its own")]);
    const left = readdirSync(join(project.root, ".pgstead", project.stack));
    expect(left.filter((name) => name.endsWith(".part"))).toEqual([]);
  });
});
