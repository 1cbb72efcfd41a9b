import { execFileSync } from "node:child_process";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readHealth } from "../../operate/agent/health.ts";
import {
  findDueVerification,
  readVerifications,
} from "../../operate/backup/prove/due-verification.ts";
import type { ListResult } from "../../operate/backup/store/list-backups.ts";
import type { BackupSettings } from "../../operate/settings.ts";
import { Clock } from "../faults/harness.ts";
import { canRun, Stage } from "./stage.ts";

const YEAR_DAYS = 365;

describe.runIf(canRun)("a clock that was two years ahead, and has been put right", () => {
  let stage: Stage;
  let clock: Clock;
  const backups = () => ({ folder: stage.backups, verify: "each" }) as unknown as BackupSettings;
  const due = () =>
    findDueVerification("each", readVerifications(backups(), new Date()), new Date());
  const down = () =>
    stage.pgstead("migrate", "down", "--approved-by", "Ada", "--reason", "release undone");
  const newest = async () => {
    const { stdout } = await stage.pgstead("backup", "list", "--json");
    return (JSON.parse(stdout) as ListResult).backups;
  };

  beforeAll(async () => {
    clock = new Clock();
    stage = await Stage.start({ migrations: { folder: "/tmp/migrations", protected: true } });
    execFileSync("cp", [clock.library, `${stage.folder}/program/faketime.so`]);
    await stage.sql("create role migrator login; grant create on database app to migrator");
    const file = "create schema a;\n-- migrate:down\ndrop schema a";
    await stage.inAgent(
      "sh",
      "-c",
      `mkdir /tmp/migrations; echo '${file}' >/tmp/migrations/1_a.sql`,
    );
    expect((await stage.pgstead("migrate", "up")).code).toBe(0);
  });
  afterAll(() => {
    stage?.stop();
    clock?.close();
  });

  test("its backup was taken and proven then", async () => {
    const env = {
      LD_PRELOAD: "/usr/local/lib/pgstead/faketime.so",
      FAKETIME: `+${2 * YEAR_DAYS}d`,
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
    };
    const options = Object.entries(env).flatMap(([name, value]) => ["-e", `${name}=${value}`]);
    for (const verb of ["now", "verify"]) {
      const command = ["node", "/usr/local/lib/pgstead/pgstead.cjs", "backup", verb];
      const { code, stderr } = await stage.exec(stage.agentId, command, options);
      expect(code, stderr).toBe(0);
    }
    const [ahead] = await newest();
    expect(Date.parse(ahead!.startedAt) - Date.now()).toBeGreaterThan(YEAR_DAYS * 24 * 3600_000);
    expect(ahead!.proof?.state).toBe("proven");
  });

  test("fails to count as a fresh proof, for a migration and for the agent's health", async () => {
    const { code, stderr } = await down();
    expect([code, stderr]).toEqual([4, expect.stringContaining("no backup of it has been proven")]);
    const state = { since: new Date(Date.now() - 100 * 3600_000).toISOString(), last: null };
    const given = { ...backups(), schedule: "0 2 * * *" };
    const { fresh, problems } = readHealth(given, state as never);
    expect([fresh, problems]).toEqual([
      false,
      [expect.stringContaining("no backup is proven yet")],
    ]);
    const list = await stage.pgstead("backup", "list");
    expect(list.stdout).toContain("DATED IN THE FUTURE: counts as no fresh one");
  });

  test("keeps no later backup from being the latest, from being proven and from counting", async () => {
    expect((await stage.pgstead("backup", "now")).code).toBe(0);
    const right = (await newest()).find(({ proof }) => !proof)!;
    expect(due()).toBe(right.id);
    const { stdout } = await stage.pgstead("backup", "show", "latest", "--json");
    expect(JSON.parse(stdout).manifest.id).toBe(right.id);
    expect((await stage.pgstead("backup", "verify", "latest")).code).toBe(0);
    expect((await down()).code).toBe(0);
  });
});
