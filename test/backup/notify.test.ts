import { readFileSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { freePort } from "../support/free-port.ts";
import { until } from "../support/until.ts";
import { canRun, Stage } from "./stage.ts";

const SERVE = ["node", "/usr/local/lib/pgstead/pgstead.cjs", "serve"];

describe.runIf(canRun)("the world outside", () => {
  let stage: Stage;
  let outside: Server;
  let port: number;
  let answers = 200;
  const posts: { status: string; problems: string[]; newestProven: { id: string } | null }[] = [];
  const pings: string[] = [];

  const write = (backups: object = {}) =>
    stage.write({
      backups: {
        ...{ schedule: "*/2 * * * * *", metricsPort: port },
        ...{ webhookFile: address("webhook-s3cret"), pingFile: address("ping-s3cret") },
        sealKeyFile: stage.writeFile("seal-key", "a key of twenty letters"),
        ...backups,
      },
    });
  const address = (path: string) =>
    stage.writeFile(path, `http://127.0.0.1:${(outside.address() as AddressInfo).port}/${path}`);
  const ask = async (path: string) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`);
    return { status: response.status, text: await response.text() };
  };

  beforeAll(async () => {
    outside = createServer((request, response) => {
      let text = "";
      request.on("data", (data) => {
        text += data;
      });
      request.on("end", () => {
        if (answers === 200 && request.method === "POST") posts.push(JSON.parse(text));
        if (answers === 200 && request.method === "GET") pings.push(request.url ?? "");
        response.writeHead(answers).end();
      });
    });
    await new Promise<void>((resolve) => outside.listen(0, "127.0.0.1", resolve));
    port = await freePort();
    stage = await Stage.start();
    await stage.sql("create table t as select generate_series(1, 1000) as n");
  });
  afterAll(() => {
    stage?.stop();
    outside?.close();
  });

  test("is pinged after a proven backup only, and told once of a failure and once of its end", async () => {
    write();
    answers = 500;
    const agent = stage.startAgent([], SERVE);
    await untilAgent(
      () => stage.logs(agent).includes("could not notify: ping: the server answered 500"),
      agent,
    );
    expect(stage.logs(agent)).not.toContain("s3cret");
    expect(pings).toEqual([]);
    expect(stage.logs(agent).indexOf(": proven")).toBeLessThan(
      stage.logs(agent).indexOf("could not notify"),
    );
    answers = 200;
    stage.stopOne(agent);
    const again = stage.startAgent([], SERVE);
    await untilAgent(() => pings.length > 0, again);
    expect(pings[0]).toBe("/ping-s3cret");
    expect(posts).toEqual([]);
    expect((await ask("/healthz")).status).toBe(200);

    const { stdout } = await stage.pgstead("backup", "show", "--json");
    const { id } = JSON.parse(stdout).manifest;
    const file = join(stage.backups, `${id}.json`);
    const text = readFileSync(file, "utf8");
    writeFileSync(file, text.replace('"public.t": 1000', '"public.t": 999'));
    await untilAgent(() => posts.length > 0, again);
    await sleep(3_000);
    expect(posts).toMatchObject([{ stack: "test", status: "failing" }]);
    expect(posts[0]?.problems).toEqual([`the manifest of ${id} was changed since it was written`]);
    writeFileSync(file, text);
    await untilAgent(() => posts.length > 1, again);
    expect(posts[1]).toMatchObject({ status: "recovered", problems: [] });
    expect(posts[1]?.newestProven?.id).toMatch(/^app-/);
    stage.stopOne(again);
  });

  test("S30: reads metrics, and sees the container unhealthy once the newest proven one is too old", async () => {
    write({ schedule: "0 0 29 2 *" });
    const agent = stage.startAgent([], SERVE);
    await untilAgent(() => stage.logs(agent).includes("backups at"), agent);
    await untilAgent(
      async () => (await ask("/metrics").catch(() => ({ status: 0 }))).status === 200,
      agent,
    );
    const { text } = await ask("/metrics");
    const metric = (name: string) =>
      Number(new RegExp(`^pgstead_backup_${name}\\{stack="test"\\} (\\S+)$`, "m").exec(text)?.[1]);
    expect(metric("healthy")).toBe(1);
    expect(metric("problems")).toBe(0);
    expect(metric("local_copies")).toBeGreaterThan(1);
    expect(metric("proven_restore_seconds")).toBeGreaterThan(0);
    expect(Date.now() / 1000 - metric("proven_timestamp_seconds")).toBeLessThan(600);
    const healthy = await stage.pgstead("serve", "--healthy");
    expect(healthy.stdout).toContain('"status":"ok"');
    expect(healthy.code).toBe(0);
    stage.stopOne(agent);

    write({ schedule: "0 0 29 2 *", maxProvenHours: 0.0001 });
    const late = stage.startAgent([], SERVE);
    await untilAgent(
      async () => (await ask("/healthz").catch(() => ({ status: 0 }))).status === 503,
      late,
    );
    const { code, stdout } = await stage.pgstead("serve", "--healthy");
    expect(code).toBe(2);
    expect(stdout).toMatch(/"stale".*the newest proven backup is .* old; the limit is 0 h/);
    stage.stopOne(late);
    expect((await stage.pgstead("serve", "--healthy")).code).not.toBe(0);
  });

  test("is told when the next ones come, in UTC and where one stands", async () => {
    write({ schedule: "30 2 * * *" });
    stage.startAgent();
    const told = await stage.inAgent(
      ...[
        "env",
        "TZ=Asia/Tokyo",
        "node",
        "/usr/local/lib/pgstead/pgstead.cjs",
        "backup",
        "schedule",
      ],
    );
    expect(told.stdout).toMatch(/T02:30:00Z {2}.* 11:30:00/);
    expect(told.stdout).toMatch(/last run, due \S+: (done|stopped)/);
  });

  const untilAgent = (condition: () => boolean | Promise<boolean>, agent: string) =>
    until(condition, () => stage.logs(agent));
});
