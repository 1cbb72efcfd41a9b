import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { TlsPair } from "../../components/server/tls-pair.ts";
import { inspect } from "../contract/docker-cli.ts";
import { docker } from "../support/server-container.ts";
import { buildImage } from "../support/server-image.ts";
import { pairValid } from "../support/tls.ts";
import { StackProject } from "./stack-project.ts";

let project: StackProject;
const bases: string[] = [];
beforeAll(async () => {
  project = await StackProject.create("dev");
});
afterAll(() => {
  project?.remove();
  spawnSync("docker", ["rmi", "-f", ...bases]);
});

const server = () => `${project.stack}-postgres`;
const serverId = () => inspect("container", server()).Id as string;
const installed = (database: string) =>
  docker(
    ...["exec", "-u", "postgres", server(), "psql", "-d", database, "-AtXqc"],
    "select extversion from pg_extension where extname = 'vector'",
  );

/** Runs one statement as the application, over the stack's network. */
async function asApplication(sql: string, sslmode = "require") {
  const { url, network } = await project.outputs();
  const run = ["run", "--rm", "--network", network!, "--entrypoint", "psql", project.baseImage];
  const address = url!.replace("sslmode=require", `sslmode=${sslmode}`);
  return spawnSync("docker", [...run, address, "-AtXqc", sql], { encoding: "utf8" });
}

/** Builds the base with another version number of pgvector, but the same library. */
function buildBaseWithPgvector(version: string): string {
  const tag = `${project.stack}-base:${version}`;
  const folder = "/usr/share/postgresql/18/extension";
  const dockerfile = `FROM ${project.baseImage}
RUN cd ${folder} && from=$(sed -n "s/^default_version = '\\(.*\\)'/\\1/p" vector.control) \
  && sed -i "s/^default_version.*/default_version = '${version}'/" vector.control \
  && printf -- '-- nothing\\n' >"vector--$from--${version}.sql"`;
  return build(tag, dockerfile);
}

/** Builds another image with the same content. */
const rebuildBase = (base: string) => build(`${base}-again`, `FROM ${base}\nLABEL built=again`);

function build(tag: string, dockerfile: string): string {
  bases.push(tag);
  buildImage(tag, dockerfile);
  return tag;
}

/** Removes the proofs, because the agent has proven its first backup some time after its start. */
const removeProofs = () =>
  docker("exec", `${project.stack}-agent`, "sh", "-c", "rm -f /var/lib/pgstead/backups/*.proof");

const UNKNOWN_SETTING = 'unrecognized configuration parameter "shared_bufers"';
const NO_SIZE = 'invalid value for parameter "shared_buffers": "lots"';

/** `make faults` runs all cases, any other run only the first ones. */
const select = <Row>(all: Row[], first: number) =>
  process.env.PGSTEAD_FAULTS === "all" ? all : all.slice(0, first);

/** Expects that preview and `up` fail with the message, and that the same server runs and answers. */
async function expectUntouched(running: string, message: string) {
  for (const verb of [["preview"], ["up", "--yes"]]) {
    const { code, all } = await project.pgstead(verb);
    expect([code, all], verb[0]).toEqual([1, expect.stringContaining(message)]);
    expect(serverId(), verb[0]).toBe(running);
  }
  expect(project.asSuperuser("select 1")).toBe("1");
}

interface Backup {
  proof: object | null;
}

// The tests run in order: each continues with the stack of the one before.
describe("a change of the image of a database", () => {
  let before: string;

  test("with TLS required, the application connects encrypted, and plain connections are refused", async () => {
    project.configurePostgres({ tls: { required: true }, cpus: 2, memoryMb: 1024 });
    const { code, all } = await project.pgstead(["up", "--yes"]);
    expect(code, all).toBe(0);
    const { url } = await project.outputs();
    expect(url).toMatch(/\?sslmode=require$/);
    const encrypted = "select ssl from pg_stat_ssl where pid = pg_backend_pid()";
    expect((await asApplication(encrypted)).stdout.trim()).toBe("t");
    expect((await asApplication(encrypted, "disable")).stderr).toContain("no encryption");
    const { Config, HostConfig } = inspect("container", server());
    expect(HostConfig).toMatchObject({ ReadonlyRootfs: true, NanoCpus: 2e9, Memory: 2 ** 30 });
    expect(JSON.stringify(Config.Env)).not.toContain("PRIVATE KEY");
  });

  test("S29: fails for a certificate that is not valid or not the key's, and the old server goes on", async () => {
    const running = serverId();
    const day = 24 * 3600_000;
    const [from, now, to] = [-2, -1, 300].map((days) => new Date(Date.now() + days * day));
    const [expired, given, other] = await Promise.all([
      pairValid(from!, now!),
      pairValid(from!, to!),
      pairValid(from!, to!),
    ]);
    const wrong: [TlsPair, string][] = [
      [expired!, '"tls.certificate" (CN=db) has expired at'],
      [{ ...given!, key: other!.key }, '"tls.key" is not the key of "tls.certificate" (CN=db)'],
    ];
    for (const [pair, message] of wrong) {
      project.configurePostgres({ tls: { required: true, ...pair } });
      const { code, all } = await project.pgstead(["up", "--yes"]);
      expect([code, all]).toEqual([1, expect.stringContaining(message)]);
      expect(serverId()).toBe(running);
    }
    project.configurePostgres({ tls: { required: true, ...given! } });
    const { code, all } = await project.pgstead(["up", "--yes"]);
    expect(code, all).toBe(0);
    // The server sends the certificate, and psql verifies it with the certificate itself as root.
    const verified = `echo "$CERTIFICATE" >/tmp/c; psql "$URL&sslrootcert=/tmp/c" -AtXqc "select 1"`;
    const { url, network } = await project.outputs();
    const address = url!.replace("sslmode=require", "sslmode=verify-full");
    const env = ["-e", `CERTIFICATE=${given!.certificate}`, "-e", `URL=${address}`];
    const run = ["run", "--rm", "--network", network!, ...env, "--entrypoint", "sh"];
    expect(docker(...run, project.baseImage, "-c", verified)).toBe("1");
    project.configurePostgres({ tls: { required: true } });
    expect((await project.pgstead(["up", "--yes"])).code).toBe(0);
  });

  test("the first renewal makes a new certificate, and the server serves it", async () => {
    const agent = `${project.stack}-agent`;
    const certificate = () => docker("exec", agent, "cat", "/run/pgstead/server.crt");
    const before = certificate();
    project.configurePostgres({ tls: { required: true, renewal: "2027" } });
    const { code, all } = await project.pgstead(["up", "--yes"]);
    expect(code, all).toBe(0);
    expect(certificate()).not.toBe(before);
    const served = docker("exec", server(), "cat", "/run/pgstead/server.crt");
    expect(served).toBe(certificate());
    expect((await asApplication("select 1")).stdout.trim()).toBe("1");
    // The server's user alone reads the key.
    const key = ["stat", "-c", "%U %a", "/run/pgstead/server.key"];
    expect(docker("exec", server(), ...key)).toBe("postgres 600");
  });

  const wrong: [string, Record<string, unknown>, string][] = [
    ["a setting that does not exist", { settings: { shared_bufers: "1GB" } }, UNKNOWN_SETTING],
    ["a value that is no size", { settings: { shared_buffers: "lots" } }, NO_SIZE],
    ["too many processors", { settings: {}, cpus: 4096 }, "postgres.cpus is 4096, and the engine"],
    ["too much memory", { cpus: 2, memoryMb: 2 ** 26 }, "postgres.memoryMb is 67108864, and the"],
  ];
  test.each(select(wrong, 1))(
    "S29: %s fails in preview and in up, and the old server goes on",
    async (_, settings, message) => {
      const running = serverId();
      project.configurePostgres(settings);
      await expectUntouched(running, message);
      project.configurePostgres({ settings: undefined, cpus: 2, memoryMb: 1024 });
    },
  );

  // `make faults` only: unit tests have the port too. A skipped test would count as failed in CI.
  if (process.env.PGSTEAD_FAULTS === "all") {
    test("S29: a port that another program holds fails in preview and in up, and the old server goes on", async () => {
      const running = serverId();
      const holder = createServer().listen(0, "127.0.0.1");
      onTestFinished(() => void holder.close());
      await once(holder, "listening");
      const { port } = holder.address() as AddressInfo;
      project.configure("pgstead:port", port);
      await expectUntouched(running, `port ${port} of 127.0.0.1 on the engine's machine is in use`);
      project.configure("pgstead:port", project.port);
    });
  }

  test("S29: undo takes back a change of settings and limits, and finish ends it", async () => {
    const image = inspect("container", server()).Image;
    const runs = () => [
      project.asSuperuser("show work_mem"),
      inspect("container", server()).HostConfig.NanoCpus,
    ];
    const before = runs();
    project.configurePostgres({ settings: { work_mem: "7MB" }, cpus: 1 });
    const { code, all } = await project.pgstead(["up", "--yes"]);
    expect(code, all).toBe(0);
    expect(runs()).toEqual(["7MB", 1e9]);
    const open = "open change of postgres.settings, postgres.cpus";
    expect((await project.pgstead(["status"])).all).toContain(open);
    const undo = await project.pgstead(["undo", "--yes"]);
    expect(undo.code, undo.all).toBe(0);
    expect(undo.all).toContain("no pgstead:postgres.settings, pgstead:postgres.cpus: 2 is now in");
    expect(runs()).toEqual(before);
    expect(inspect("container", server()).Image).toBe(image);
    expect(readFileSync(project.stackFile, "utf8")).not.toMatch(/work_mem|sha256/);
    const finish = await project.pgstead(["finish"]);
    expect(finish.code, finish.all).toBe(0);
    expect(inspect("volume", `${project.stack}-previous`)).toBeUndefined();
  });

  test("a second preview shows no change", async () => {
    const { code, all } = await project.pgstead(["preview", "--expect-no-changes"]);
    expect(code, all).toBe(0);
  });

  test("S25: a password that was changed by hand is right again after the next up", async () => {
    project.asSuperuser("alter role app password 'by-hand'");
    expect((await asApplication("select 1")).stderr).toContain("password authentication failed");
    const { code, all } = await project.pgstead(["up", "--yes"]);
    expect(code, all).toBe(0);
    expect(all).toContain("set: password of app");
    expect((await asApplication("select 1")).stdout.trim()).toBe("1");
  });

  test("up updates pgvector in every database that has it, and keeps the data", async () => {
    before = installed("app");
    project.asSuperuser("create database other");
    docker(
      ...["exec", "-u", "postgres", server(), "psql", "-d", "other", "-c"],
      "create extension vector; create table kept as select '[1,2,3]'::vector as v",
    );
    project.configurePostgres({ baseImage: buildBaseWithPgvector("0.9.0") });
    project.configure("pgstead:checks", [{ name: "two is one", sql: "select 2", expect: 1 }]);
    const { code, all } = await project.pgstead(["up", "--yes"]);
    project.configure("pgstead:checks", undefined);
    expect([code, all]).toEqual([2, expect.stringContaining('"pgstead undo" goes back')]);
    expect(all).toMatch(/another image serves the data now; its checks:[\s\S]*two is one/);
    expect(all).toContain(`pgvector ${before} to 0.9.0 in "other"`);
    expect([installed("app"), installed("other")]).toEqual(["0.9.0", "0.9.0"]);
    const log = spawnSync("docker", ["logs", server()], { encoding: "utf8" });
    expect(log.stdout + log.stderr).toContain("database system was shut down at");
  });

  test("S29: fails to lower pgvector, says what is at stake, and the old server goes on", async () => {
    const running = serverId();
    project.configurePostgres({ baseImage: project.baseImage });
    const { code, all } = await project.pgstead(["up", "--yes"]);
    expect([code, all]).toEqual([
      4,
      expect.stringContaining(`the new image has pgvector ${before}`),
    ]);
    expect(all).toContain(`postgres.accept to ["pgvector ${before}"]`);
    expect(all).toMatch(
      /at stake: about \d+ rows, \d+ MB; (no backup has been proven yet|the newest proven backup is \d+ min old)/,
    );
    expect(serverId()).toBe(running);
  });

  test("fails for a new major version of pgvector", async () => {
    const running = serverId();
    project.configurePostgres({ baseImage: buildBaseWithPgvector("1.0.0") });
    const { code, all } = await project.pgstead(["up", "--yes"]);
    expect([code, all]).toEqual([4, expect.stringContaining("rebuilt (REINDEX)")]);
    expect(serverId()).toBe(running);
  });

  test("S29: undo goes back to the image before, and finish lets go of the other", async () => {
    const [now] = docker("images", "-q", "--no-trunc", `${project.stack}-postgres:previous`).split(
      "\n",
    );
    const dry = await project.pgstead(["undo", "--dry-run"]);
    expect(dry.all).toContain(`would write pgstead:postgres.image: ${now}`);
    const { code, all } = await project.pgstead(["undo", "--yes"]);
    expect(code, all).toBe(0);
    expect(all).toContain("commit this");
    expect(inspect("container", server()).Image).toBe(now);
    expect(project.asSuperuser("select '[1,2,3]'::vector <-> '[1,2,5]'::vector")).toBe("2");
    const preview = await project.pgstead(["preview", "--expect-no-changes"]);
    expect(preview.code, preview.all).toBe(0);
    // The agent uses the image that the server runs, not the one it returned from.
    const ofAgent = docker("exec", `${project.stack}-agent`, "pgstead-versions");
    expect(JSON.parse(ofAgent).pgvector).toBe(before);
    expect([installed("app"), installed("other")]).toEqual([before, before]);
    const open = "open change of image";
    expect((await project.pgstead(["status"])).all).toContain(open);
    expect((await project.pgstead(["finish"])).code).toBe(0);
    expect((await project.pgstead(["status"])).all).not.toContain(open);
    const again = await project.pgstead(["finish"]);
    expect([again.code, again.all]).toEqual([
      1,
      expect.stringContaining("no change of image is open"),
    ]);
  });

  test("a change of a protected stack first takes and proves one backup", async () => {
    project.configure("pgstead:protect", true);
    project.configurePostgres({ image: undefined, baseImage: rebuildBase(bases[0]!) });
    removeProofs();
    const first = await project.pgstead(["up", "--yes"]);
    expect(first.code, first.all).toBe(0);
    // Either this change or the agent has taken it; it only must exist before the change.
    const { stdout } = await project.pgstead(["backup", "list", "--json"]);
    const { proof } = JSON.parse(stdout).backups.find((each: Backup) => each.proof);
    expect(proof.state).toBe("proven");
    const { StartedAt } = inspect("container", server()).State;
    expect(Date.parse(proof.verifiedAt)).toBeLessThan(Date.parse(StartedAt));
    project.configurePostgres({ baseImage: rebuildBase(`${bases[0]}-again`) });
    const second = await project.pgstead(["up", "--yes"]);
    expect(second.code, second.all).toBe(0);
    expect(second.all).not.toContain("taking one");
    expect([installed("app"), installed("other")]).toEqual(["0.9.0", "0.9.0"]);
  });

  test("S29: fails to change the image while no backup can be taken, and the old server goes on", async () => {
    const running = serverId();
    project.configurePostgres({ provenWithinHours: 1, baseImage: bases[0] });
    removeProofs();
    docker("stop", "-t", "1", `${project.stack}-agent`);
    const { code, all } = await project.pgstead(["up", "--yes"]);
    expect([code, all]).toEqual([
      4,
      expect.stringContaining("could not be asked for one; start it"),
    ]);
    expect(serverId()).toBe(running);
  });
});
