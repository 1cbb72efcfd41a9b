import { copyFileSync, existsSync, readdirSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { CreateBucketCommand } from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { State } from "../../operate/agent/state.ts";
import type { ListedBackup, ListResult } from "../../operate/backup/store/list-backups.ts";
import type { PruneDecision } from "../../operate/backup/store/prune.ts";
import { until } from "../support/until.ts";
import { startProxy } from "./s3-proxy.ts";
import { canRun, Stage, startS3 } from "./stage.ts";

const DAY = 24 * 3600_000;
/** A Friday; on Sunday the clocks of Europe skip 02:00. */
const FIRST = Date.parse("2026-03-27T02:00:00Z");
const DAYS = 10;
const NO_SERVER = 3;
const NO_BUCKET = 5;

describe.runIf(canRun)("ten days of the schedule, on a real server and a real S3 API", () => {
  let stage: Stage;
  let proxy: Awaited<ReturnType<typeof startProxy>>;
  const bucket = `days-${process.pid}`;
  let agent = "";

  beforeAll(async () => {
    const s3 = startS3();
    proxy = await startProxy(s3.endpoint);
    await s3.client.send(new CreateBucketCommand({ Bucket: bucket }));
    stage = await Stage.start();
    await stage.sql(
      "create extension vector; create table docs as select i as id, array[i, 1, 2]::vector(3) as e from generate_series(1, 500) i; create index on docs using hnsw (e vector_l2_ops)",
    );
    stage.write({
      backups: {
        ...{ schedule: "0 2 * * *", keepDays: 3, keepWeeks: 2, metricsPort: 0 },
        sealKeyFile: stage.writeFile("seal-key", "a key of twenty letters"),
        bucket: {
          ...{ name: bucket, endpoint: proxy.endpoint, pathStyle: true },
          credentialsFile: stage.writeKey(),
        },
      },
    });
    copyFileSync("test/backup/days.cjs", join(stage.folder, "program", "days.cjs"));
  });
  afterAll(() => {
    stage?.stop();
    proxy?.stop();
  });

  /** By a rename: the agent reads the file at any moment, and half of it is no time. */
  const setClock = (time: number) => {
    stage.writeFile("next-clock", `${time} ${Date.now()}`);
    renameSync(join(stage.folder, "files", "next-clock"), join(stage.folder, "files", "clock"));
  };
  const state = (): Partial<State> => {
    const file = join(stage.backups, "state", "scheduler.json");
    return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : {};
  };
  const inAgent = async (...verb: string[]) => {
    const { stdout } = await stage.inAgent(
      ...["env", "NODE_OPTIONS=--require /usr/local/lib/pgstead/days.cjs"],
      ...["node", "/usr/local/lib/pgstead/pgstead.cjs", ...verb, "--json"],
    );
    return JSON.parse(stdout);
  };
  const listed = async () => ((await inAgent("backup", "list")) as ListResult).backups;
  const dayOf = ({ startedAt }: Pick<ListedBackup, "startedAt">) => startedAt.slice(5, 10);
  const untilAgent = (condition: () => boolean) => until(condition, () => stage.logs(agent));

  test("yield dumps that are proven, pruned right and listed right from both places", async () => {
    setClock(FIRST);
    agent = stage.startAgent(
      [
        ...["--env", "NODE_OPTIONS=--require /usr/local/lib/pgstead/days.cjs"],
        ...["--env", "TZ=Europe/Berlin"],
      ],
      ["node", "/usr/local/lib/pgstead/pgstead.cjs", "serve"],
    );
    for (let day = 0; day < DAYS; day++) {
      if (day === NO_SERVER)
        await stage.sql("alter database app allow_connections false", "postgres");
      if (day === NO_BUCKET) proxy.fail({ method: "PUT", times: 1e6, kind: "status", status: 503 });
      const due = new Date(FIRST + day * DAY).toISOString();
      setClock(FIRST + day * DAY);
      await untilAgent(() => state().last?.due === due);
      const { outcome } = state().last!;
      if (day === NO_SERVER) {
        expect(outcome).toBe("failed");
        await stage.sql("alter database app allow_connections true", "postgres");
        // Nothing was lost by it, and nothing counts that is not there.
        expect((await listed()).map(dayOf)).toEqual(["03-29", "03-28", "03-27"]);
        continue;
      }
      expect(outcome, state().last?.error ?? "").toBe(day === NO_BUCKET ? "not uploaded" : "done");
      proxy.fail();
      const took = () => state().proving?.id === state().last?.id;
      await untilAgent(took);
    }

    const all = await listed();
    const local = all.filter(({ copies }) => copies.includes("local"));
    // Three days, and the newest of last week; the night without a server is missing.
    expect(local.map(dayOf)).toEqual(["04-05", "04-04", "04-03", "03-29"]);
    expect(all.map(dayOf)).toEqual([
      "04-05",
      "04-04",
      "04-03",
      "04-02",
      "04-01",
      "03-31",
      "03-29",
      "03-28",
      "03-27",
    ]);
    for (const { id, copies, proof, bucketProof, standing, problem } of all) {
      expect(copies, id).toContain("bucket");
      expect([proof?.state, bucketProof?.state, standing, problem], id).toEqual([
        "proven",
        "proven",
        "sound",
        null,
      ]);
    }
    const { plan } = (await inAgent("backup", "prune", "--dry-run")) as { plan: PruneDecision[] };
    expect(plan.map(({ keep, reason }) => [keep, reason])).toEqual([
      [true, "the newest good one"],
      [true, "younger than 3 days"],
      [true, "younger than 3 days"],
      [true, "the newest good one of its week"],
    ]);

    // The host burns down: what is left is the bucket, and it says the same.
    stage.stopOne(agent);
    stage.startAgent();
    await stage.inAgent("sh", "-c", "rm -rf /backups/*");
    expect(readdirSync(stage.backups)).toEqual([]);
    const left = await listed();
    expect(left.map(dayOf)).toEqual(all.map(dayOf));
    expect(
      left.every(({ proof, copies }) => proof?.state === "proven" && copies.length === 1),
    ).toBe(true);
    const { state: again, from } = await inAgent("backup", "verify");
    expect([again, from]).toEqual(["proven", "bucket"]);
  });
});
