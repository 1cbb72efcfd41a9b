import { execFileSync, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { docker, inspect } from "../contract/docker-cli.ts";
import { freePort } from "../support/free-port.ts";
import { findSecrets, ProcessWatch, readFolder, renderProcesses } from "../support/secrets.ts";
import { BucketService } from "./bucket-service.ts";
import { StackProject } from "./stack-project.ts";

let service: BucketService;
const random = () => randomBytes(12).toString("hex");
const PASSPHRASE = random();
const WEBHOOK_TOKEN = random();
const PING_TOKEN = random();
let project: StackProject;
let watch: ProcessWatch;
beforeAll(async () => {
  project = await StackProject.create("prod");
  project.env.PULUMI_CONFIG_PASSPHRASE = PASSPHRASE;
  watch = await ProcessWatch.start();
  service = BucketService.start(`${project.stack}-backups`);
  Object.assign(project.env, service.credentials);
  project.configure("pgstead:bucket", service.section);
});
afterAll(async () => {
  await watch?.stop();
  await service?.remove();
  project?.remove();
});

const NO_CREDENTIALS = {
  AWS_ACCESS_KEY_ID: "",
  AWS_SECRET_ACCESS_KEY: "",
  AWS_SHARED_CREDENTIALS_FILE: "/nonexistent",
  AWS_CONFIG_FILE: "/nonexistent",
};
const agent = () => `${project.stack}-agent`;
const inAgent = (...args: string[]) => docker("exec", agent(), ...args);

// After these failures the up below works without a manual cleanup.
describe("stack prod with an unusable bucket", () => {
  test("a preview warns that there is no bucket", async () => {
    project.configure("pgstead:bucket", undefined);
    const { code, all } = await project.pgstead(["preview"]);
    expect([code, all]).toEqual([
      0,
      expect.stringMatching(/warning: stack "prod-\w+" is protected and has no bucket/),
    ]);
    const doctor = await project.pgstead(["doctor", "--json"]);
    expect(JSON.parse(doctor.stdout).findings).toContainEqual(
      expect.objectContaining({ name: "bucket", state: "note", fix: expect.any(String) }),
    );
  });

  test("S16: a preview refuses a retention that loses backups, and names the day", async () => {
    project.configure("pgstead:bucket", { ...service.section, retentionDays: 2, minBackups: 4 });
    const { code, all } = await project.pgstead(["preview"]);
    expect([code, all]).toEqual([
      1,
      expect.stringContaining("day 3: the dump of day 0 has expired, and fewer than 4"),
    ]);
    expect(all).toContain("set bucket.retentionDays to 4 or more");
  });

  test("fails to adopt a bucket that does not exist", async () => {
    const name = `${service.name}-nowhere`;
    project.configure("pgstead:bucket", { ...service.section, name, adopt: {} });
    const { code, all } = await project.pgstead(["preview"]);
    expect([code, all]).toEqual([
      1,
      expect.stringContaining(`there is no bucket "${name}" at ${service.url} to take over`),
    ]);
  });

  test("a preview refuses a KMS key that does not exist", async () => {
    const kmsKey = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555";
    const kmsEndpoint = service.url;
    project.configure("pgstead:bucket", { ...service.section, kmsKey, kmsEndpoint });
    const { code, all } = await project.pgstead(["preview"]);
    project.configure("pgstead:bucket", service.section);
    expect([code, all]).toEqual([
      1,
      expect.stringContaining(`the KMS key ${kmsKey} cannot be used`),
    ]);
  });

  test("fails with credentials that the service refuses", async () => {
    const strict = { PGSTEAD_S3_PORT: String(await freePort()), INITIAL_NO_AUTH_ACTION_COUNT: "0" };
    const { section, stop } = BucketService.start(service.name, strict);
    project.configure("pgstead:bucket", section);
    const { code, all } = await project.pgstead(["up", "--yes"]).finally(stop);
    project.configure("pgstead:bucket", service.section);
    expect([code, all]).toEqual([
      1,
      expect.stringContaining("the credentials for the bucket have expired or are not valid"),
    ]);
  });

  test("fails with a bucket name that somebody else has", async () => {
    const name = `${service.name}-taken`;
    await service.createInOtherAccount(name);
    project.configure("pgstead:bucket", { ...service.section, name });
    const { code, all } = await project.pgstead(["up", "--yes"]);
    project.configure("pgstead:bucket", service.section);
    expect([code, all]).toEqual([
      1,
      expect.stringContaining(`a bucket "${name}" exists and belongs to somebody else`),
    ]);
  });
});

// The tests run in order: each continues with the stack of the one before.
describe("stack prod with its bucket", () => {
  test("after the first up, the agent's first dump is in the volume and in the bucket", async () => {
    project.configurePostgres({ tls: {} });
    await setSecret("webhook", `http://127.0.0.1:9/${WEBHOOK_TOKEN}`);
    await setSecret("ping", `http://127.0.0.1:9/${PING_TOKEN}`);
    const { code, all } = await project.pgstead(["up", "--yes"]);
    expect(code, all).toBe(0);
    const { backupBucket, backupSchedule } = await project.outputs();
    expect([backupBucket, backupSchedule]).toEqual([service.name, "0 2 * * *"]);
    const [first] = await uploaded(1);
    const inVolume = inAgent("ls", "/var/lib/pgstead/backups").split("\n");
    expect(inVolume).toEqual(expect.arrayContaining([`${first}.dump`, `${first}.json`]));
    const keys = await service.keys();
    expect(keys).toEqual(expect.arrayContaining([`dumps/${first}.dump`, `dumps/${first}.json`]));
    expect(keys.filter((key) => key.startsWith("keep/"))).not.toEqual([]);
    const local = inAgent("sha256sum", `/var/lib/pgstead/backups/${first}.dump`).split(" ")[0];
    expect(await service.sha256(`dumps/${first}.dump`)).toBe(local);
  });

  test("backup now and list, from the operator's machine, show both copies", async () => {
    const now = await project.pgstead(["backup", "now"]);
    expect(now.code, now.all).toBe(0);
    expect(await uploaded(2)).toHaveLength(2);
  });

  test("the second up changes only the migration step", async () => {
    const container = inspect("container", agent()).Id;
    const preview = await project.pgstead(["preview", "--expect-no-changes"]);
    expect(preview.code, preview.all).toBe(0);
    const { code, all } = await project.pgstead(["up", "--yes"]);
    expect(code, all).toBe(0);
    expect(all).toMatch(/~ 1 updated/);
    expect(all).not.toMatch(/\d+ (created|deleted|replaced)/);
    expect(inspect("container", agent()).Id).toBe(container);
  });

  test("a plain pulumi refresh finds no change", async () => {
    const { code, all } = await project.pulumi("refresh --yes");
    expect(code, all).toBe(0);
    expect(all).not.toMatch(/[~+-] \d+ (updated|created|deleted)/);
  });

  test("S16: preview and doctor show a lifecycle that was edited by hand, and up restores it", async () => {
    const doctor = async () => {
      const { stdout } = await project.pgstead(["doctor", "--json"]);
      const { findings } = JSON.parse(stdout) as { findings: { name: string; state: string }[] };
      return findings.find(({ name }) => name === "bucket");
    };
    expect(await doctor()).toMatchObject({ state: "ok" });
    await service.expireEverythingTomorrow();
    expect(await doctor()).toMatchObject({
      state: "missing",
      detail: "changed since the last up: backups-lifecycle (rules)",
    });
    const preview = await project.pgstead(["preview", "--expect-no-changes"]);
    expect([preview.code, preview.all]).toEqual([2, expect.stringContaining("backups-lifecycle")]);
    const { code, all } = await project.pgstead(["up", "--yes"]);
    expect(code, all).toBe(0);
    expect(await doctor()).toMatchObject({ state: "ok" });
  });

  test("up fails without credentials, and the stack keeps running", async () => {
    const before = [agent(), `${project.stack}-postgres`].map((n) => inspect("container", n).Id);
    const { code, all } = await project.pgstead(["up", "--yes"], { env: NO_CREDENTIALS });
    const after = [agent(), `${project.stack}-postgres`].map((n) => inspect("container", n).Id);
    expect([code, all]).toEqual([1, expect.stringMatching(/credentials/)]);
    expect(after).toEqual(before);
    expect(await uploaded(2)).toHaveLength(2);
  });

  test("S17: no secret of the stack is on disk, on the engine, in the bucket or at any moment in a process list", async () => {
    const now = await project.pgstead(["backup", "now"]);
    expect(now.code, now.all).toBe(0);
    const processes = renderProcesses(watch.seen);
    // It has looked while these were at work.
    for (const each of [
      /pulumi\S* up /,
      /pgstead\S* (up|preview)/,
      /pgstead migrate up/,
      /backup now --scheduled/,
      /backup verify/,
      /pg_dump /,
      /pg_restore /,
    ]) {
      expect(processes).toMatch(each);
    }
    const names = docker("ps", "-aq", "--filter", `name=${project.stack}-`).split("\n");
    const of = (kind: string) =>
      docker(kind, "ls", "-q", "--filter", `name=${project.stack}-`).split("\n");
    const images = docker("images", "-q", `${project.stack}-*`).split("\n");
    const places: Record<string, string> = {
      processes,
      printed: project.printed,
      inspect: docker("inspect", ...names, ...of("volume"), ...of("network"), ...images),
      layers: images.map((image) => docker("history", "--no-trunc", image)).join("\n"),
      logs: names.map(logsOf).join("\n"),
      "state and checkout": readFolder(project.root, ["node_modules", "dist"]),
      "volumes of backups and agent": inVolumes("/var/lib/pgstead"),
      bucket: (await Promise.all((await service.keys()).map((key) => service.read(key)))).join(),
    };
    for (const [place, text] of Object.entries(places)) {
      expect(text.length, place).toBeGreaterThan(500);
    }
    expect(places["state and checkout"]).toContain("postgres-seal-key");
    expect(places["volumes of backups and agent"]).toContain('"dumpVersion"');
    expect(places.bucket).toContain('"dumpVersion"');
    const { inFiles, ...others } = await readSecrets();
    expect(findSecrets({ ...inFiles, ...others }, places)).toEqual([]);
    // The same search finds them where they belong.
    const found = findSecrets(inFiles, { files: inVolumes("/run/pgstead") });
    expect(found).toEqual(Object.keys(inFiles).map((name) => `${name} in files`));
  });
});

/** Every secret; `inFiles` are those in the files of the agent. */
async function readSecrets() {
  const { url, migratorUrl, readonlyUrl } = await project.outputs();
  const passwordOf = (given: string | null | undefined) => new URL(given!).password;
  const read = (file: string) => inAgent("cat", `/run/pgstead/${file}`);
  const inFiles = {
    "password of app": passwordOf(url),
    "password of migrator": passwordOf(migratorUrl),
    "password of readonly": passwordOf(readonlyUrl),
    "seal key": read("seal-key"),
    "bucket's key": JSON.parse(read("bucket-key.json")).secretAccessKey as string,
    "token of the webhook": WEBHOOK_TOKEN,
    "token of the ping": PING_TOKEN,
  };
  const server = `${project.stack}-postgres`;
  const pem = docker("exec", server, "cat", "/run/pgstead-tls/server.key").split("\n");
  const tlsKey = pem[1] as string;
  expect(tlsKey).toMatch(/^[A-Za-z0-9+/=]{60,}$/);
  return { inFiles, tlsKey, passphrase: PASSPHRASE };
}

/** Every file below, as the agent's container sees it. */
function inVolumes(folder: string): string {
  // Code 1 means that a file changed meanwhile: the agent goes on with its work.
  const script = `tar -C ${folder} -cf - . || [ $? -eq 1 ]`;
  const tar = ["exec", agent(), "sh", "-c", script];
  return execFileSync("docker", tar, { encoding: "latin1", maxBuffer: 2 ** 28 });
}

/** Through stdin, as a person does who leaves no trace in the shell's history. */
async function setSecret(key: string, value: string): Promise<void> {
  const set = `config set --secret --path pgstead:backups.${key}`;
  const { code, all } = await project.pulumi(set, value);
  expect(code, all).toBe(0);
}

/** Waits until there are so many backups, all of them in volume and bucket, and returns their ids. */
async function uploaded(count: number): Promise<string[]> {
  let stdout = "";
  for (let tries = 0; tries < 80; tries++) {
    ({ stdout } = await project.pgstead(["backup", "list", "--json"]));
    const { backups, bucketError } = JSON.parse(stdout) as {
      backups: { id: string; good: boolean; copies: string[] }[];
      bucketError: string | null;
    };
    const both = backups.filter(({ good, copies }) => good && copies.join() === "local,bucket");
    if (both.length >= count && !bucketError) return both.map(({ id }) => id);
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  throw new Error(`fewer than ${count} backups in volume and bucket: ${stdout}`);
}

/** Reads stdout and stderr, because a server logs to stderr. */
function logsOf(container: string): string {
  const { stdout, stderr } = spawnSync("docker", ["logs", container], { encoding: "utf8" });
  return stdout + stderr;
}
