import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { CreateBucketCommand, HeadObjectCommand } from "@aws-sdk/client-s3";
import { describe, expect, test } from "vitest";
import type { ListResult } from "../../operate/backup/store/list-backups.ts";
import {
  type Fault,
  FaultyS3,
  killContainer,
  type Random,
  runScenario,
  type S3Fault,
} from "../faults/harness.ts";
import { canRun, Stage, startS3 } from "./stage.ts";

const ROUNDS = Number(process.env.BACKUP_STRIKES ?? 2);
const SEED = Number(process.env.PGSTEAD_FAULT_SEED ?? 7);

interface World {
  stage: Stage;
  agent: string;
  s3: ReturnType<typeof startS3>;
  faulty: FaultyS3;
  bucket: string;
  /** Proven in rounds before: none of them may be lost. */
  proven: Set<string>;
}

const listed = async ({ stage }: World) =>
  JSON.parse((await stage.pgstead("backup", "list", "--json")).stdout) as ListResult;

const run = async ({ stage }: World, ...verb: string[]) => {
  const { code, stdout, stderr } = await stage.pgstead("backup", ...verb, "--json");
  if (code !== 0) throw new Error(`${verb[0]} ended with ${code}: ${stdout}${stderr}`);
};

const faults: Fault<World>[] = [
  {
    name: "the verb and what it started are killed",
    strike: async ({ stage }) => {
      const kill = `for p in /proc/[0-9]*; do tr '\\0' ' ' <$p/cmdline 2>/dev/null | grep -qE '^node .*backup (now|verify)|pg_dump |pg_restore ' && kill -KILL \${p#/proc/}; done; true`;
      await stage.inAgent("sh", "-c", kill);
      return undefined;
    },
  },
  {
    name: "the agent is killed",
    strike: async ({ stage, agent }) => {
      killContainer(agent);
      return async () => stage.startAgain(agent);
    },
  },
  {
    name: "the server is killed",
    strike: async ({ stage }) => {
      killContainer(stage.server);
      return async () => stage.startServerAgain();
    },
  },
  ...(
    [
      { name: "S3 refuses", with: { status: 403, code: "AccessDenied" } },
      { name: "S3 has forgotten the key", with: { status: 403, code: "ExpiredToken" } },
      { name: "S3 finds the clock wrong", with: { status: 403, code: "RequestTimeTooSkewed" } },
      { name: "S3 breaks down", with: { status: 500, code: "InternalError" } },
      { name: "S3 drops connections", with: "reset", times: 4 },
      { name: "S3's answers are lost", with: "lost-answer", times: 4 },
      { name: "S3's answers are cut", with: "truncate", times: 4 },
    ] satisfies (S3Fault & { name: string })[]
  ).map(({ name, ...fault }) => ({
    name,
    strike: async ({ faulty }: World, _random: Random) => {
      faulty.inject(fault);
      return async () => faulty.clear();
    },
  })),
];

describe.runIf(canRun)("struck at random moments", () => {
  test(
    `S11, S13, S16: ${ROUNDS} strikes of seed ${SEED} lose no good backup, and the next run recovers`,
    async () => {
      const seen = await runScenario<World>({
        name: "backup and its proof",
        seed: SEED,
        rounds: ROUNDS,
        open,
        close: async ({ stage, faulty }) => {
          stage.stop();
          await faulty.close();
        },
        steps: [
          { name: "backup now", windowMs: 2_500, run: (world) => run(world, "now") },
          { name: "backup verify", windowMs: 3_000, run: (world) => run(world, "verify") },
          {
            name: "backup verify --from-bucket",
            windowMs: 3_000,
            run: (world) => run(world, "verify", "latest", "--from-bucket"),
          },
        ],
        faults,
        recover: async (world) => {
          world.faulty.clear();
          await run(world, "now");
          await run(world, "verify");
        },
        invariants: [
          { name: "what is listed as good is whole, and told truly", check: isTrue },
          { name: "nothing half-done stays", check: isTidy },
          { name: "the bucket's copies are whole", check: isWholeInBucket },
        ],
      });
      for (const { fault, step, atMs, outcome } of seen) {
        console.log(`  ${fault}, ${atMs} ms into ${step}: ${outcome.slice(0, 120)}`);
      }
    },
    60_000 + ROUNDS * 60_000,
  );
});

async function open(): Promise<World> {
  const s3 = startS3();
  const faulty = await FaultyS3.before(s3.endpoint);
  const bucket = `struck-${process.pid}`;
  await s3.client.send(new CreateBucketCommand({ Bucket: bucket }));
  const stage = await Stage.start();
  stage.write({
    backups: {
      sealKeyFile: stage.writeFile("seal-key", "a key of twenty letters"),
      bucket: {
        ...{ name: bucket, endpoint: faulty.url, pathStyle: true },
        credentialsFile: stage.writeKey(),
      },
    },
  });
  await stage.sql(`create extension vector; create extension pgcrypto;
    create table docs as select i as id, array[i, 1, 2]::vector(3) as e, gen_random_bytes(400) as noise from generate_series(1, 20000) i;
    alter table docs add primary key (id); create index on docs using hnsw (e vector_l2_ops)`);
  const world = { stage, agent: stage.agentId, s3, faulty, bucket, proven: new Set<string>() };
  await run(world, "now");
  await run(world, "verify");
  return world;
}

async function isTrue(world: World): Promise<void> {
  const { backups, strays } = await listed(world);
  expect(backups[0]?.proof?.state).toBe("proven");
  for (const { id, good, problem, standing, copies, proof } of backups) {
    expect([good, problem, standing], id).toEqual([true, null, "sound"]);
    expect(copies, id).toEqual(["local", "bucket"]);
    // A strike may have kept it from being tried; it must not have been found guilty.
    expect(["proven", "unverified", undefined], id).toContain(proof?.state);
    if (proof?.state === "proven") world.proven.add(id);
  }
  const ids = new Set(backups.map(({ id }) => id));
  for (const id of world.proven) expect(ids, "lost").toContain(id);
  // Cut off between the files and the manifest; told as what they are.
  expect(strays.filter((name) => !/\.(dump|sql)$/.test(name))).toEqual([]);
}

async function isTidy({ stage }: World): Promise<void> {
  const left = readdirSync(stage.backups).filter((name) => /^\.|\.partial$/.test(name));
  // A scratch folder of an agent that was killed is cleared once it has had no heartbeat for a minute.
  const young = (name: string) =>
    /^\.scratch/.test(name) && Date.now() - statSync(join(stage.backups, name)).mtimeMs < 90_000;
  expect(left.filter((name) => !young(name))).toEqual([]);
  const running = await stage.inAgent("sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '");
  expect(running.stdout).not.toMatch(/postgres -D|pg_dump|pg_restore/);
}

async function isWholeInBucket(world: World): Promise<void> {
  const { backups } = await listed(world);
  for (const { id, size } of backups) {
    const head = await world.s3.client.send(
      new HeadObjectCommand({ Bucket: world.bucket, Key: `dumps/${id}.dump` }),
    );
    expect(head.ContentLength, id).toBe(size);
  }
}
