import { spawnSync } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { findLack } from "../support/programs.ts";
import { docker } from "../support/server-container.ts";
import { SshHost } from "./ssh-host.ts";
import { StackProject } from "./stack-project.ts";

const lack = findLack("sshd", "ssh");
let host: SshHost;
let project: StackProject;
beforeAll(async () => {
  if (lack) return;
  host = await SshHost.start();
  project = await StackProject.create("prod");
  project.env.PATH = host.path;
  project.configure("docker:host", host.address);
  project.configure("pgstead:publish", "true");
  project.configurePostgres({ tls: { required: true } });
});
beforeEach(({ skip }) => skip(lack !== undefined, lack));
afterAll(() => {
  if (lack) return;
  host?.stop();
  spawnSync("docker", ["rm", "-fv", old()]);
  spawnSync("docker", ["volume", "rm", "-f", old()]);
  project?.remove();
});

/** Container and volume of the old server, which existed before the stack. */
const old = () => `${project.stack}-old`;

async function startOldServer(): Promise<void> {
  const data = "/var/lib/postgresql/data";
  const env = ["POSTGRES_DB=app", "POSTGRES_PASSWORD=old", `PGDATA=${data}`];
  const given = [...env.flatMap((each) => ["-e", each]), "-v", `${old()}:${data}`];
  docker("run", "-d", "--name", old(), ...given, project.baseImage);
  const psql = ["exec", old(), "psql", "-h", "127.0.0.1", "-U", "postgres", "-d", "app", "-qc"];
  for (let tries = 0; ; tries++) {
    const made = spawnSync("docker", [...psql, "create table kept as select 7 as n"]);
    if (made.status === 0) return;
    if (tries > 60) throw new Error(made.stderr.toString());
    await sleep(250);
  }
}

/** Runs a verb that must succeed. */
async function pgstead(verb: string[], stdin = ""): Promise<string> {
  const { code, all } = await project.pgstead(verb, { stdin });
  expect(code, `${verb.join(" ")}: ${all}`).toBe(0);
  return all;
}

// The tests run in order: each continues with the stack of the one before.
test("adopt-volume copies a volume of the remote host, and its dump is on this machine", async () => {
  await startOldServer();
  const adopted = await pgstead(["adopt-volume", "--from-container", old(), "--yes"]);
  expect(adopted).toContain(`adopted "${old()}" as "${project.stack}-data"`);
  expect(adopted).toMatch(new RegExp(`a dump of it is ${project.root}/\\S+\\.sql\\.gz`));
});

test("up creates a stack with TLS and migrations on a Docker host over ssh", async () => {
  expect(await pgstead(["up", "--yes"])).toContain('applied 3 to "app", now at 0003_audit_log');
  expect(project.asSuperuser("select n from kept")).toBe("7");
  const { url, network } = await project.outputs();
  const asked = ["psql", url!, "-Atc", "select ssl from pg_stat_ssl where pid = pg_backend_pid()"];
  const client = ["run", "--rm", "--network", network!, "--entrypoint", "", project.baseImage];
  expect(docker(...client, ...asked)).toBe("t");
});

test("verbs reach the stack over ssh, and a second preview shows no change", async () => {
  for (const verb of [["check"], ["migrate", "list"], ["preview", "--expect-no-changes"]]) {
    await pgstead(verb);
  }
  const count = await pgstead(["psql"], "\\t\nselect count(*) from documents");
  expect(count).toMatch(/^ +0$/m);
  expect(await pgstead(["backup", "now"])).toContain("of 9 tables in");
  expect(await pgstead(["backup", "verify", "latest"])).toContain(": proven, ");
  expect(await pgstead(["backup", "get", "latest"])).toContain(", checksum right");
  expect(await pgstead(["vector"])).toContain("column public.documents.embedding: vector(1536)");
  expect(await pgstead(["restart"])).toContain("restarted");
  expect(await pgstead(["logs", "-n", "100"])).toContain("ready to accept connections");
  expect(await pgstead(["doctor"])).toMatch(/^ok +engine: .*ssh:/m);
});

test("a port published on the remote host's loopback gives no host URL", async () => {
  expect((await project.outputs()).hostUrl).toBeNull();
});

test("fails with the host's address when the host is out of reach", async () => {
  host.stop();
  for (const verb of ["status", "up", "adopt-volume"]) {
    const given = { status: [], up: ["--yes"], "adopt-volume": [old()] }[verb] as string[];
    const { code, all } = await project.pgstead([verb, ...given]);
    expect([code, all]).toEqual([3, expect.stringContaining(host.address)]);
  }
});
