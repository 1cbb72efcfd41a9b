import { execFileSync, spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { findLack } from "../support/programs.ts";
import { buildServerImage, fixtureBase } from "../support/server-image.ts";
import { until } from "../support/until.ts";

const checkout = join(import.meta.dirname, "..", "..");
const postgres = join(checkout, "postgres");
const folder = mkdtempSync(join(tmpdir(), "pgstead-image-"));
const name = `pgstead-image-${randomBytes(3).toString("hex")}`;
const volumes: string[] = [];

/** Shells that images come with: dash for Debian, busybox for Alpine. */
const shells = [
  { name: "sh", command: ["sh"], lack: undefined },
  { name: "ash", command: ["busybox", "ash"], lack: findLack("busybox") },
];

let base: string;
beforeAll(() => {
  base = fixtureBase();
  buildServerImage(base, name);
});
afterAll(() => {
  spawnSync("docker", ["rm", "-fv", `${name}-first`, `${name}-second`]);
  spawnSync("docker", ["volume", "rm", "-f", ...volumes]);
  spawnSync("docker", ["rmi", "-f", name]);
  rmSync(folder, { recursive: true, force: true });
});

function docker(args: string[]) {
  const { status, stdout, stderr } = spawnSync("docker", args, {
    encoding: "utf8",
    timeout: 60_000,
  });
  return { status, all: stdout + stderr };
}

function newVolume(): string {
  const volume = `${name}-${volumes.length}`;
  volumes.push(volume);
  docker(["volume", "create", volume]);
  return volume;
}

/** Runs the image on a volume with these files, until the guard refuses or the server ends. */
function runGuard(files: Record<string, string>, { owner = 999, options = [] as string[] } = {}) {
  const volume = newVolume();
  const make = Object.entries(files)
    .map(([path, text]) => `mkdir -p /v/$(dirname ${path}) && printf '%s' '${text}' >/v/${path}`)
    .concat(`chown -R ${owner} /v`)
    .join(" && ");
  docker(["run", "--rm", "-v", `${volume}:/v`, "--entrypoint", "sh", base, "-c", make]);
  const mount = ["-v", `${volume}:/var/lib/postgresql`];
  return docker(["run", "--rm", ...mount, ...options, "-e", "PGSTEAD_LOCK_SECONDS=1", name]);
}

describe("the guard of the entrypoint", () => {
  test("S1 refuses a second server on one volume, and starts it after the first was killed", async () => {
    const mount = ["-v", `${newVolume()}:/var/lib/postgresql`, "-e", "PGSTEAD_LOCK_SECONDS=1"];
    docker(["run", "-d", "--name", `${name}-first`, ...mount, name]);
    await waitUntilReady(`${name}-first`);
    const second = docker(["run", "--name", `${name}-second`, ...mount, name]);
    expect([second.status, second.all]).toEqual([
      78,
      expect.stringContaining("another server, a restore or an adoption uses this volume"),
    ]);
    docker(["kill", "--signal", "KILL", `${name}-first`]);
    docker(["start", `${name}-second`]);
    await waitUntilReady(`${name}-second`);
  });

  test("S2 refuses to create a cluster beside another one", () => {
    for (const path of ["PG_VERSION", "data/PG_VERSION", "17/docker/PG_VERSION"]) {
      const { status, all } = runGuard({ [path]: "17" });
      expect([status, all]).toEqual([78, expect.stringContaining("holds a cluster of version 17")]);
    }
  });

  test("S2 refuses to create a cluster where pgstead.json names an earlier one", () => {
    const { status, all } = runGuard({ "pgstead.json": '{"major":"18","base":"debian"}' });
    expect([status, all]).toEqual([78, expect.stringContaining("this volume held a cluster")]);
  });

  test("S2 refuses files without PG_VERSION, and does not change them", () => {
    const { status, all } = runGuard({ "18/docker/base/1/2619": "rows" });
    expect([status, all]).toEqual([78, expect.stringContaining("holds files but no PG_VERSION")]);
    const kept = [
      "-v",
      `${volumes.at(-1)}:/v`,
      "--entrypoint",
      "cat",
      base,
      "/v/18/docker/base/1/2619",
    ];
    expect(docker(["run", "--rm", ...kept]).all).toBe("rows");
  });

  test("refuses a cluster of another base", () => {
    const { status, all } = runGuard({
      "pgstead.json": '{"major":"18","base":"alpine"}',
      "18/docker/PG_VERSION": "18",
    });
    expect([status, all]).toEqual([
      78,
      expect.stringContaining("was created on alpine and this image is debian"),
    ]);
  });

  const served = { major: "18", base: "debian", libc: "glibc", release: "debian-bookworm" };
  const refusals: [string, object, { owner?: number; options?: string[] }, string][] = [
    ["17 in the place of 18", {}, {}, "holds a cluster of PostgreSQL 17 and this image is 18"],
    ["another user", {}, { owner: 70 }, "belongs to user 70, and the server of this image is user"],
    [
      "another libc",
      { ...served, libc: "musl" },
      {},
      "was served with musl and this image has glibc",
    ],
    ["another release", served, {}, "was served on debian-bookworm and this image is debian-"],
    [
      "a folder outside the volume",
      {},
      { options: ["-e", "PGDATA=/data"] },
      "PGDATA is /data, which is not below /var/lib/postgresql",
    ],
    [
      "another mount path",
      {},
      { options: ["--tmpfs", "/var/lib/postgresql/data"] },
      "a volume is mounted at /var/lib/postgresql/data, expected is /var/lib/postgresql",
    ],
  ];
  test.each(refusals)("refuses %s", (what, facts, how, message) => {
    const version = what.startsWith("17") ? "17" : "18";
    const recorded = { "pgstead.json": JSON.stringify(facts) };
    const { status, all } = runGuard({ ...recorded, "18/docker/PG_VERSION": version }, how);
    expect([status, all]).toEqual([78, expect.stringContaining(message)]);
  });

  test("accepts another release that postgres.accept names", () => {
    const release = docker(["run", "--rm", "--entrypoint", "pgstead-versions", name]).all;
    const named = `release ${JSON.parse(release).release}`;
    const files = { "pgstead.json": JSON.stringify(served), "18/docker/PG_VERSION": "18" };
    const { all } = runGuard(files, { options: ["-e", `PGSTEAD_ACCEPT=${named}`] });
    // The guard accepted, and then the server finds no cluster.
    expect(all).not.toContain("refused");
    expect(all).toContain("postgres: could not access the server configuration file");
  });

  test("starts over when the creation of a cluster was interrupted", async () => {
    docker(["rm", "-fv", `${name}-first`]);
    const volume = newVolume();
    const mount = ["-v", `${volume}:/var/lib/postgresql`];
    const half = "mkdir -p 18/docker && echo 18 >18/docker/PG_VERSION && touch .pgstead-init";
    docker([
      "run",
      "--rm",
      ...mount,
      "-w",
      "/var/lib/postgresql",
      "--entrypoint",
      "sh",
      base,
      "-c",
      half,
    ]);
    docker(["run", "-d", "--name", `${name}-first`, ...mount, name]);
    await waitUntilReady(`${name}-first`);
    expect(docker(["logs", `${name}-first`]).all).toContain("was interrupted; starting over");
  });
});

describe.each(shells)("compile-pgvector.sh under $name", ({ command, lack }) => {
  beforeEach(({ skip }) => skip(lack !== undefined, lack));
  const [program, ...first] = command as [string, ...string[]];
  const compile = (sha256: string, archive: string, output: string) =>
    spawnSync(program, [...first, join(postgres, "compile-pgvector.sh"), archive, output], {
      encoding: "utf8",
      env: { ...process.env, PGVECTOR_VERSION: "9.9.9", PGVECTOR_SHA256: sha256 },
    });

  test("fails when the checksum differs, and shows both checksums", () => {
    const archive = join(folder, "other.tar.gz");
    writeFileSync(archive, "something else");
    const { status, stderr } = compile("0".repeat(64), archive, folder);
    expect(status).toBe(1);
    expect(stderr).toContain(
      `the source has SHA-256 ${digest(archive)}, expected ${"0".repeat(64)}`,
    );
  });

  test("builds portable code and installs it below the given folder", () => {
    const source = join(folder, "source", "pgvector-9.9.9");
    mkdirSync(source, { recursive: true });
    const makefile = "all:\n\t@echo $(OPTFLAGS)- >flags\ninstall:\n\tcp flags $(DESTDIR)/flags\n";
    writeFileSync(join(source, "Makefile"), makefile);
    const archive = join(folder, "source.tar.gz");
    execFileSync("tar", ["-czf", archive, "-C", join(folder, "source"), "pgvector-9.9.9"]);
    const output = mkdtempSync(join(folder, "output-"));
    cpSync(archive, join(output, "archive"));
    const { status, stderr } = compile(digest(archive), archive, output);
    expect(status, stderr).toBe(0);
    expect(readFileSync(join(output, "flags"), "utf8")).toBe("-\n");
  });
});

const digest = (file: string) => createHash("sha256").update(readFileSync(file)).digest("hex");

async function waitUntilReady(container: string): Promise<void> {
  await until(
    () => docker(["exec", container, "pg_isready", "-q", "-h", "127.0.0.1"]).status === 0,
    () => docker(["logs", container]).all,
  );
}
