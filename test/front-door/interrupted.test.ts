import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Project } from "../support/project.ts";

let project: Project;
beforeAll(async () => {
  project = await Project.create();
});
afterAll(() => project.remove());

const query = async (sql: string) => (await project.pgstead(["psql", "-Atc", sql])).stdout.trim();
const serverPid = () => {
  try {
    return JSON.parse(readFileSync(join(project.folder, "server.lock"), "utf8")).pid as number;
  } catch {
    return undefined;
  }
};
const isAlive = (pid: number) => {
  try {
    process.kill(pid, 0);
    return !readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z ");
  } catch {
    return false;
  }
};
/** Starts `up` in a process group of its own and sends it a signal once `when` holds. */
async function interruptUp(signal: NodeJS.Signals, when: () => boolean) {
  let group = 0;
  const ended = project.pgstead(["up"], {
    ownGroup: true,
    onStart: (pid) => {
      group = pid;
    },
  });
  for (let tries = 0; !when() && tries < 600; tries++) await sleep(25);
  process.kill(-group, signal);
  return ended;
}
const locks = () => {
  try {
    const folder = join(project.root, ".pgstead/state/.pulumi/locks/organization/pgstead/local");
    return readdirSync(folder).filter((name) => name.endsWith(".json")).length;
  } catch {
    return 0;
  }
};

test("Ctrl-C while the server starts leaves no half-started server, and the next up works", async () => {
  const ended = await interruptUp("SIGINT", () => serverPid() !== undefined);
  expect(ended.code).not.toBe(0);
  const pid = serverPid();
  for (let tries = 0; pid && isAlive(pid) && tries < 400; tries++) await sleep(50);
  expect(pid && isAlive(pid)).toBeFalsy();
  const up = await project.pgstead(["up"]);
  expect(up.code, up.all).toBe(0);
  expect(await query("SELECT count(*) FROM documents")).toBe("0");
});

test("an up that was killed needs no hands: its lock is removed, and the next up works", async () => {
  await query("INSERT INTO tenants (name) VALUES ('Kept')");
  await interruptUp("SIGKILL", () => locks() > 0);
  const up = await project.pgstead(["up"]);
  expect(up.code, up.all).toBe(0);
  expect(up.stderr).toContain("removed the lock of a run that was ended");
  expect(await query("SELECT name FROM tenants")).toBe("Kept");
});

test("fails with 4 while another up is at work, and names its process", async () => {
  const first = project.pgstead(["up"]);
  for (let tries = 0; locks() === 0 && tries < 400; tries++) await sleep(10);
  const second = await project.pgstead(["up"]);
  expect(second.code, second.all).toBe(4);
  expect(second.stderr).toMatch(/another run is at work on stack "local": process \d+ of /);
  expect((await first).code).toBe(0);
});

test("a server that was killed comes back at the next up with all that was committed", async () => {
  await query("INSERT INTO tenants (name) SELECT 'tenant ' || n FROM generate_series(1, 500) n");
  process.kill(serverPid() as number, "SIGKILL");
  const status = await project.pgstead(["status"]);
  expect(status.code, status.all).toBe(3);
  const up = await project.pgstead(["up"]);
  expect(up.code, up.all).toBe(0);
  expect(await query("SELECT count(*) FROM tenants")).toBe("501");
});

test("restart brings a stopped server back", async () => {
  const before = serverPid();
  const restart = await project.pgstead(["restart"]);
  expect(restart.code, restart.all).toBe(0);
  expect(serverPid()).not.toBe(before);
  expect(await query("SELECT count(*) FROM tenants")).toBe("501");
});
