import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Random } from "../faults/harness.ts";
import { OwnEngine } from "../support/own-engine.ts";
import { StackProject } from "./stack-project.ts";

const SEED = Number(process.env.SEED ?? 5);
const REBOOTS = 3;

/** Only `make faults` runs this, because it needs a second engine, an image of a gigabyte and a stack. */
describe("after a power failure", () => {
  let engine: OwnEngine;
  let project: StackProject;
  beforeAll(async () => {
    project = await StackProject.create("dev");
    engine = await OwnEngine.start();
    engine.copyImage(project.baseImage);
    project.configure("docker:host", engine.address);
    project.configurePostgres({ buildNetwork: "host" });
    project.migration("0004_numbers", "create table public.numbers (n bigint primary key);\n");
    const { code, all } = await project.pgstead(["up", "--yes"]);
    expect(code, all).toBe(0);
  }, 600_000);
  afterAll(async () => {
    project?.remove();
    await engine?.remove();
  }, 120_000);

  test(`the stack starts without help, ${REBOOTS} times under write load (seed ${SEED}), and no acknowledged write is lost`, async () => {
    const random = new Random(SEED);
    const { hostUrl } = await project.outputs();
    const acknowledged: number[] = [];
    for (let reboot = 0; reboot < REBOOTS; reboot++) {
      const writing = write(hostUrl!, acknowledged);
      await sleep(random.between(500, 3000));
      await engine.losePower();
      await writing;
      await engine.boot();
      const found = new Set((await readRowsWithin(hostUrl!, 120)).map(Number));
      expect(acknowledged.length).toBeGreaterThan(20);
      expect(acknowledged.filter((n) => !found.has(n))).toEqual([]);
    }
    for (const name of ["postgres", "agent"]) {
      expect(engine.docker("inspect", "-f", "{{.State.Running}}", `${project.stack}-${name}`)).toBe(
        "true",
      );
    }
    for (const verb of [["check"], ["up", "--yes"], ["preview", "--expect-no-changes"]]) {
      const { code, all } = await project.pgstead(verb);
      expect(code, `${verb.join(" ")}: ${all}`).toBe(0);
    }
  }, 600_000);
});

/** Writes rows one by one until the server ends. */
async function write(connectionString: string, acknowledged: number[]): Promise<void> {
  const client = new pg.Client({ connectionString });
  client.on("error", () => {});
  await client.connect();
  try {
    for (let n = (acknowledged.at(-1) ?? 0) + 1000; ; n++) {
      await client.query("insert into numbers values ($1)", [n]);
      acknowledged.push(n);
    }
  } catch {
    // The power has failed.
  } finally {
    await client.end().catch(() => {});
  }
}

/** Waits until the restart policies have started the server, and reads the rows. */
async function readRowsWithin(connectionString: string, seconds: number): Promise<string[]> {
  for (let tries = 0; ; tries++) {
    const client = new pg.Client({ connectionString, connectionTimeoutMillis: 2_000 });
    client.on("error", () => {});
    try {
      await client.connect();
      const { rows } = await client.query("select n from numbers");
      return rows.map(({ n }) => n);
    } catch (error) {
      if (tries > seconds) throw error;
      await sleep(1000);
    } finally {
      await client.end().catch(() => {});
    }
  }
}
