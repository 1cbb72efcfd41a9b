import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { canRun, Stage } from "./stage.ts";

const STACK = `op${process.pid}`;

describe.runIf(canRun)("from the operator's machine", () => {
  let stage: Stage;
  let project: string;
  const pgstead = (...args: string[]) =>
    spawnSync(process.execPath, [resolve("dist/pgstead.cjs"), ...args, "--stack", STACK], {
      ...{ cwd: project, encoding: "utf8", timeout: 60_000 },
      env: { ...process.env, PGSTEAD_SETTINGS: "" },
    });

  beforeAll(async () => {
    stage = await Stage.start({}, ["--name", `${STACK}-agent`]);
    await stage.sql("create table t as select generate_series(1, 1000) as n");
    project = join(stage.folder, "project");
    mkdirSync(project);
    cpSync("migrations", join(project, "migrations"), { recursive: true });
    writeFileSync(join(project, "Pulumi.yaml"), "name: pgstead\nruntime: nodejs\n");
    const config = "config:\n  pgstead:engine: docker\n";
    writeFileSync(join(project, `Pulumi.${STACK}.yaml`), config);
  });
  afterAll(() => stage?.stop());

  test("now, list and show run in the stack's agent", () => {
    const made = pgstead("backup", "now");
    expect(made.stderr.match(/^stack: .*$/gm)).toEqual([`stack: ${STACK}`]);
    expect(made.stdout).toMatch(/^app-\d{8}T\d{6}Z: .* of 1 tables in /);
    const { backups } = JSON.parse(pgstead("backup", "list", "--json").stdout);
    expect(backups).toHaveLength(1);
    expect(pgstead("backup", "show").stdout).toContain("public.t: 1000 rows");
  });

  test("get and --out write here, checked, and compressed as the name says", () => {
    const { status, stdout } = pgstead("backup", "get", "latest");
    expect(status).toBe(0);
    expect(stdout).toMatch(/^app-\S*\.dump: .* kB, from the folder, checksum right\n$/);
    const [file] = readdirSync(project).filter((name) => name.endsWith(".dump"));
    const stored = readFileSync(join(stage.backups, file!));
    expect(readFileSync(join(project, file!)).equals(stored)).toBe(true);
    expect(pgstead("backup", "now", "--plain", "--out", "x.sql.gz").status).toBe(0);
    expect(gunzipSync(readFileSync(join(project, "x.sql.gz"))).toString()).toContain(
      "COPY public.t",
    );
  });

  test("a volume is read while nothing writes to it, and its users run on", () => {
    const docker = (...args: string[]) => {
      const { status, stdout, stderr } = spawnSync("docker", args, { encoding: "utf8" });
      expect(status, stderr).toBe(0);
      return stdout.trim();
    };
    const volume = `${STACK}-files`;
    const image = docker("inspect", "--format", "{{.Image}}", `${STACK}-agent`);
    docker("volume", "create", volume);
    const write = "echo logo >/files/logo.svg; while :; do date >/files/now; sleep 0.01; done";
    const user = docker(
      "run",
      "-d",
      "-v",
      `${volume}:/files`,
      "--entrypoint",
      "sh",
      image,
      "-c",
      write,
    );
    try {
      const take = (...more: string[]) =>
        pgstead("backup", "now", "--volume", volume, "--out", "files.tar.gz", ...more);
      const refused = take();
      expect(refused.status).toBe(4);
      expect(refused.stderr).toContain("files that change while they are read are torn");
      const taken = take("--pause", "--json");
      expect(taken.status, taken.stderr).toBe(0);
      const { sha256, paused } = JSON.parse(taken.stdout);
      const file = readFileSync(join(project, "files.tar.gz"));
      expect(createHash("sha256").update(file).digest("hex")).toBe(sha256);
      expect(paused).toHaveLength(1);
      expect(docker("inspect", "--format", "{{.State.Status}}", user)).toBe("running");
      const { stdout } = spawnSync("tar", ["-xOzf", join(project, "files.tar.gz"), "./logo.svg"]);
      expect(String(stdout)).toBe("logo\n");
      expect(pgstead("backup", "now", "--volume", "none-such", "--out", "x.tar").status).toBe(1);
    } finally {
      docker("rm", "--force", user);
      docker("volume", "rm", volume);
    }
  });

  test("at 3 a.m. the engine is enough: no checkout, no Pulumi, no state, no passphrase", () => {
    rmSync(project, { recursive: true });
    const docker = spawnSync("sh", ["-c", "command -v docker"], { encoding: "utf8" }).stdout.trim();
    const inAgent = (...verb: string[]) => {
      const args = ["exec", `${STACK}-agent`, "pgstead", ...verb];
      const env = { DOCKER_HOST: process.env.DOCKER_HOST, PATH: "/nowhere" };
      const { status, stdout, stderr } = spawnSync(docker, args, { encoding: "utf8", env });
      expect(status, stderr).toBe(0);
      return stdout;
    };
    expect(inAgent("backup", "now")).toMatch(/^app-\d{8}T\d{6}Z: /);
    expect(inAgent("backup", "verify")).toMatch(/: proven, from the copy on the volume/);
    expect(inAgent("backup", "list")).toContain("proven 0 min ago");
    expect(inAgent("backup", "show")).toContain("public.t: 1000 rows");
    expect(inAgent("backup", "prune", "--dry-run")).toContain("the newest good one");
    expect(inAgent("backup", "schedule")).toContain("in UTC");
    mkdirSync(project);
    writeFileSync(join(project, "Pulumi.yaml"), "name: pgstead\nruntime: nodejs\n");
    writeFileSync(join(project, `Pulumi.${STACK}.yaml`), "config:\n  pgstead:engine: docker\n");
    cpSync("migrations", join(project, "migrations"), { recursive: true });
  });

  test("fails without leaving a file", () => {
    const { status, stderr } = pgstead("backup", "get", "app-1", "--out", "none.dump");
    expect(status).toBe(1);
    expect(stderr).toContain('there is no backup "app-1"');
    expect(readdirSync(project).filter((name) => name.startsWith("none"))).toEqual([]);
  });
});
