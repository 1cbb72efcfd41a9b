import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { State } from "../../operate/agent/state.ts";
import { until } from "../support/until.ts";
import { canRun, Stage } from "./stage.ts";

const SERVE = ["node", "/usr/local/lib/pgstead/pgstead.cjs", "serve"];

describe.runIf(canRun)("the agent's schedule", () => {
  let stage: Stage;
  const state = (): State | undefined => {
    try {
      return JSON.parse(readFileSync(join(stage.backups, "state", "scheduler.json"), "utf8"));
    } catch {
      return undefined;
    }
  };
  const dumps = () => readdirSync(stage.backups).filter((name) => name.endsWith(".dump")).length;
  const stop = (container: string) =>
    spawnSync("docker", ["stop", "--time", "20", container], { encoding: "utf8" });

  beforeAll(async () => {
    stage = await Stage.start();
    await stage.sql("create table t as select generate_series(1, 1000) as n");
  });
  afterAll(() => stage?.stop());

  test("the first backup does not wait, the next come in time, none overlap", async () => {
    stage.write({ backups: { schedule: "*/2 * * * * *" } });
    const agent = stage.startAgent([], SERVE);
    await untilAgent(() => dumps() >= 3, agent);
    const memory = await residentMegabytes(stage);
    expect(memory).toBeGreaterThan(20);
    expect(memory).toBeLessThan(100);
    stop(agent);
    const log = stage.logs(agent);
    expect(log).toMatch(/stopped\n$/);
    expect(
      log
        .match(/due \S+: (begins|done|stopped)/g)
        ?.map((line) => line.replace(/^due \S+/, ""))
        .join(""),
    ).toMatch(/^( begins (done|stopped))+$/);
    expect(state()?.last?.outcome).toMatch(/done|stopped/);
    // verify: each
    expect(log).toMatch(/: proven, in [\d.]+ s/);
  });

  test("a run that was missed while the agent was away is made up, once", async () => {
    const before = dumps();
    // Yesterday's was taken; tonight's hour has passed with nobody there.
    stage.write({ backups: { schedule: "0 0 * * *" } });
    const agent = stage.startAgent(
      [],
      [
        ...["sh", "-c"],
        `echo '{"handled":"2020-01-01T00:00:00.000Z","last":null,"failures":0}' >/backups/state/scheduler.json; exec ${SERVE.join(" ")}`,
      ],
    );
    await untilAgent(() => dumps() > before, agent);
    await untilAgent(() => state()?.last?.outcome === "done", agent);
    await sleep(1_500);
    stop(agent);
    expect(dumps()).toBe(before + 1);
    expect(Date.parse(state()?.handled ?? "")).toBe(new Date().setUTCHours(0, 0, 0, 0));
  });

  test("told to stop in the middle of a run, it ends pg_dump and leaves nothing half-done", async () => {
    const before = readdirSync(stage.backups);
    const holder = stage.sql("begin; lock table t; select pg_sleep(60)").catch(() => {});
    await stage.inAgent("true").catch(() => {});
    stage.write({ backups: { schedule: "* * * * * *" } });
    const agent = stage.startAgent([], SERVE);
    const waiting = async () =>
      (await stage.sql("select count(*) from pg_locks where not granted")) !== "0";
    await untilAgent(waiting, agent);
    const { status } = stop(agent);
    expect(status).toBe(0);
    expect(stage.logs(agent)).toMatch(/: stopped\n.*stopped\n$/);
    await stage.sql(
      "select pg_terminate_backend(pid) from pg_stat_activity where query ~ 'pg_slee[p]'",
    );
    await holder;
    expect(readdirSync(stage.backups)).toEqual(before);
    expect(state()?.last?.outcome).toBe("stopped");
    expect(await waiting()).toBe(false);
  });

  test("S30: on a read-only volume it is unhealthy with the reason, and stops when told to", async () => {
    stage.write({ backups: { folder: "/locked", schedule: "* * * * * *" } });
    const main = stage.agentId;
    const agent = stage.startAgent(["--volume", `${stage.backups}:/locked:ro`], SERVE);
    await untilAgent(() => stage.logs(agent).includes("does not work"), agent);
    expect(stage.logs(agent)).toMatch(/cannot write to the backup folder \/locked: .*read-only/);
    const { code, stdout } = await stage.pgstead("serve", "--healthy");
    expect([code, stdout]).toEqual([2, expect.stringContaining("the schedule does not work")]);
    expect(stop(agent).status).toBe(0);
    expect(stage.logs(agent)).toMatch(/stopped\n$/);
    stage.useAgent(main);
  });

  const untilAgent = (condition: () => boolean | Promise<boolean>, agent: string) =>
    until(condition, () => stage.logs(agent));
});

async function residentMegabytes(stage: Stage): Promise<number> {
  const { stdout } = await stage.inAgent(
    "sh",
    "-c",
    "for p in /proc/[0-9]*; do tr '\\0' ' ' <$p/cmdline | grep -q '^node .*serve' && grep VmRSS $p/status; done",
  );
  return Math.max(...[...stdout.matchAll(/(\d+) kB/g)].map(([, kb]) => Number(kb) / 1000));
}
