import { spawnSync } from "node:child_process";
import { renameSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { docker, inspect } from "../contract/docker-cli.ts";
import { StackProject } from "./stack-project.ts";

let project: StackProject;
let before: Record<string, string | null>;
beforeAll(async () => {
  project = await StackProject.create("dev");
  const { code, all } = await project.pgstead(["up", "--yes"]);
  expect(code, all).toBe(0);
  project.asSuperuser("create table kept as select n from generate_series(1, 1000) n; analyze");
  await inAgent("backup", "now");
  await inAgent("backup", "verify");
  before = await project.outputs();
});
afterAll(() => project?.remove());

const volume = (kind: string) => `${project.stack}-${kind}`;
const inAgent = async (...verb: string[]) =>
  docker("exec", `${project.stack}-agent`, "pgstead", ...verb);
const rows = () => project.asSuperuser("select count(*) from kept");
const state = () => join(project.root, "state", ".pulumi");

async function expectSameIdentity() {
  expect(await project.outputs()).toMatchObject({
    url: before.url,
    migratorUrl: before.migratorUrl,
    readonlyUrl: before.readonlyUrl,
  });
  const { backups } = JSON.parse(await inAgent("backup", "list", "--json"));
  expect(backups).toMatchObject([{ proof: { state: "proven" }, problem: null }]);
  expect(rows()).toBe("1000");
}

// The tests run in order: each continues with the stack of the one before.
describe("what belongs to the data", () => {
  test("S31: stays after down and up: passwords, seal key, proven backups", async () => {
    const down = await project.pgstead(["down", "--yes"]);
    expect(down.code, down.all).toBe(0);
    expect(docker("ps", "-aq", "--filter", `name=${project.stack}-`)).toBe("");
    const { code, all } = await project.pgstead(["up", "--yes"]);
    expect(code, all).toBe(0);
    await expectSameIdentity();
  });

  test("S31: is refused by preview and up where the state is lost, and nothing changes", async () => {
    renameSync(state(), `${state()}-lost`);
    const { Id } = inspect("container", `${project.stack}-postgres`);
    const message = `volume "${volume("data")}" holds the data of stack "${project.stack}", and this state does not know it`;
    for (const verb of [["preview"], ["up", "--yes"]]) {
      const { code, all } = await project.pgstead(verb);
      expect([code, all], verb[0]).toEqual([4, expect.stringContaining(message)]);
      expect(all).toContain(`pgstead recover --stack ${project.stack}`);
      expect(all).toMatch(/at stake: about \d+ rows, \d+ MB; /);
    }
    expect(inspect("container", `${project.stack}-postgres`)).toMatchObject({
      ...{ Id, State: { Running: true } },
    });
    expect(rows()).toBe("1000");
  });

  test("S31: is taken into a new state by recover, with the old passwords and seal key", async () => {
    const dry = await project.pgstead(["recover", "--dry-run", "--json"]);
    expect([dry.code, JSON.parse(dry.stdout)]).toEqual([
      0,
      {
        volume: volume("data"),
        containers: expect.arrayContaining([`${project.stack}-postgres`, `${project.stack}-agent`]),
        ...{ hasKeys: true, dryRun: true },
      },
    ]);
    const unsure = await project.pgstead(["recover"]);
    expect([unsure.code, unsure.all]).toEqual([1, expect.stringContaining("--yes")]);
    const app = `${project.stack}-app`;
    const network = ["--network", `${project.stack}-network`];
    docker("run", "-d", "--name", app, ...network, project.baseImage, "sleep", "600");
    const connected = await project.pgstead(["recover", "--yes"]);
    expect([connected.code, connected.all]).toEqual([
      4,
      expect.stringContaining(`docker network disconnect ${project.stack}-network ${app}`),
    ]);
    docker("rm", "-f", app);
    const inFiles = (script: string) => {
      const mount = ["-v", `${volume("files")}:/files`, "--entrypoint", "sh"];
      return docker("run", "--rm", ...mount, project.baseImage, "-c", script);
    };
    inFiles("mv /files/seal-key /files/away");
    const unreadable = await project.pgstead(["recover", "--yes"]);
    inFiles("mv /files/away /files/seal-key");
    expect([unreadable.code, unreadable.all]).toEqual([
      3,
      expect.stringContaining("has the passwords and the seal key, and could not be read"),
    ]);
    expect(rows()).toBe("1000");
    const { code, all } = await project.pgstead(["recover", "--yes"]);
    expect(code, all).toBe(0);
    await expectSameIdentity();
    const again = await project.pgstead(["recover", "--yes"]);
    expect([again.code, again.all]).toEqual([1, expect.stringContaining("nothing to recover")]);
    const changes = await project.pgstead(["preview", "--expect-no-changes"]);
    expect(changes.code, changes.all).toBe(0);
  });

  test("S31: is not replaced by an empty cluster where the volume is lost after down", async () => {
    await project.pgstead(["down", "--yes"]);
    docker("volume", "rm", volume("data"));
    const gone = `volume "${volume("data")}" is gone, although stack "${project.stack}" has stored data in it`;
    const known = await project.pgstead(["up", "--yes"]);
    expect([known.code, known.all]).toEqual([4, expect.stringContaining(gone)]);
    expect(known.all).toMatch(/newest proven backup, app-\S+, is .* old and held about \d+ rows/);
    // Also where the state is lost too: the other volumes are full of its past.
    renameSync(state(), `${state()}-lost-2`);
    for (const verb of [["preview"], ["up", "--yes"]]) {
      const { code, all } = await project.pgstead(verb);
      expect([code, all], verb[0]).toEqual([4, expect.stringContaining(gone)]);
    }
    expect(inspect("volume", volume("data"))).toBeUndefined();
    renameSync(`${state()}-lost-2`, `${state()}-2`);
  });

  test("S31: goes with the data: down --delete-data forgets it, and a new stack begins", async () => {
    spawnSync("rm", ["-rf", state()]);
    renameSync(`${state()}-2`, state());
    const deleted = await project.pgstead(["down", "--yes", "--delete-data", project.stack]);
    expect(deleted.code, deleted.all).toBe(0);
    expect(docker("volume", "ls", "-q", "--filter", `name=${project.stack}-`)).toBe("");
    const { code, all } = await project.pgstead(["up", "--yes"]);
    expect(code, all).toBe(0);
    expect((await project.outputs()).url).not.toBe(before.url);
  });
});
