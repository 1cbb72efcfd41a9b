import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { docker, inspect } from "../contract/docker-cli.ts";
import { freePort } from "../support/project.ts";
import { BucketService } from "./bucket-service.ts";
import { StackProject } from "./stack-project.ts";

let service: BucketService;
let project: StackProject;
beforeAll(async () => {
  project = await StackProject.create("prod");
  service = BucketService.start(`${project.stack}-backups`);
  Object.assign(project.env, service.credentials);
  project.configure("pgstead:bucket", service.section);
});
afterAll(async () => {
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

  test("the bucket's key is in no state, log, environment or process list", () => {
    const { accessKeyId, secretAccessKey } = JSON.parse(
      inAgent("cat", "/run/pgstead/bucket-key.json"),
    );
    const names = docker("ps", "-aq", "--filter", `name=${project.stack}-`).split("\n");
    const state = join(project.root, "state", ".pulumi", "stacks", "pgstead");
    const { Pid } = inspect("container", agent()).State;
    const seen: Record<string, string> = {
      printed: project.printed,
      inspect: docker("inspect", ...names),
      logs: names.map(logsOf).join("\n"),
      processes: execFileSync("ps", ["-eo", "args"], { encoding: "utf8" }),
      environment: readFileSync(`/proc/${Pid}/environ`, "utf8"),
      state: readFileSync(join(state, `${project.stack}.json`), "utf8"),
    };
    for (const [place, text] of Object.entries(seen)) {
      expect(text.length, place).toBeGreaterThan(0);
      expect(text.includes(secretAccessKey), place).toBe(false);
      // The key's id is not secret and is in the state, but containers must not show it.
      if (place !== "state") expect(text.includes(accessKeyId), place).toBe(false);
    }
  });
});

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
