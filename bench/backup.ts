import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { CreateBucketCommand } from "@aws-sdk/client-s3";
import type { Manifest } from "../operate/backup/format/manifest.ts";
import type { Proof } from "../operate/backup/format/proof.ts";
import { Stage, startS3 } from "../test/backup/stage.ts";

/**
 * `tsx bench/backup.ts [rows] [vectors] [load]`: compares our dump, and dump, upload and proof together,
 * with `pg_dump | gzip` in the same container and run. BENCH_SCALE=10 uses 4 GB of data, not 400 MB.
 */
const asked = process.argv.slice(2);
const wanted = (name: string) => asked.length === 0 || asked.includes(name);
const scale = Number(process.env.BENCH_SCALE ?? 1);
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 2);
const failures: string[] = [];

const ROWS = `create table items (id bigserial primary key, name text, price numeric, at timestamptz, note text);
  insert into items (name, price, at, note)
  select 'item ' || i, (random() * 1000)::numeric(8, 2), now() - i * interval '1 second',
    md5(i::text) || ' lorem ipsum dolor ' || md5((i * 7)::text) || ' ' || md5((i * 3)::text)
  from generate_series(1, ${1_600_000 * scale}) i;
  create index on items (at);`;
const VECTORS = `create extension vector;
  create table docs (id bigserial primary key, body text, embedding vector(1536));
  insert into docs (body, embedding) select md5(i::text),
    (select array_agg(random())::vector from generate_series(1, 1536) where i > 0)
  from generate_series(1, ${25_000 * scale}) i;
  create index on docs using hnsw (embedding vector_cosine_ops);`;

/** The limits of a stack's agent. */
const AGENT = ["--memory", "1152m", "--memory-swap", "1152m", "--shm-size", "640m"];
/** Prints the peak memory of the process when it ends. */
const PEAK = `process.once("exit", () => process.stderr.write("peak " + process.resourceUsage().maxRSS + "\\n"));`;

async function main(): Promise<void> {
  if (wanted("rows")) await compare("rows, no vector index", ROWS, 1.0);
  if (wanted("vectors")) await compare("vectors with an HNSW index", VECTORS, 1.3);
  if (wanted("load")) await underLoad();
  for (const failure of failures) console.log(`MISSED: ${failure}`);
  process.exitCode = failures.length > 0 ? 1 : 0;
}

async function compare(title: string, schema: string, maxTotal: number): Promise<void> {
  const { stage, stop } = await open();
  try {
    await stage.sql(schema);
    await stage.sql("vacuum analyze");
    const size = await stage.sql("select pg_size_pretty(pg_database_size('app'))");
    const peer: number[] = [];
    const dumps: number[] = [];
    const totals: number[] = [];
    const uploads: number[] = [];
    let last: { manifest: Manifest; proof: Proof; peaks: number[]; gzip: number } | undefined;
    for (let round = 0; round < ROUNDS; round++) {
      await stage.sql("checkpoint");
      const theirs = await timed(() =>
        stage.inAgent(
          ...["bash", "-c"],
          "set -o pipefail; pg_dump -U postgres app | gzip > /backups/peer.sql.gz && stat -c %s /backups/peer.sql.gz; rm /backups/peer.sql.gz",
        ),
      );
      peer.push(theirs.seconds);
      const backup = await timed(() => pgstead(stage, "backup", "now"));
      const { manifest } = backup.json as { manifest: Manifest };
      const verify = await timed(() => pgstead(stage, "backup", "verify"));
      const proof = verify.json as Proof;
      if (proof.state !== "proven") throw new Error(proof.problems.join("\n"));
      dumps.push(manifest.durationMs / 1000);
      uploads.push(backup.seconds - manifest.durationMs / 1000);
      totals.push(backup.seconds + verify.seconds);
      const gzip = Number(theirs.stdout);
      last = { manifest, proof, peaks: [backup.peak, verify.peak], gzip };
    }
    const { manifest, proof, peaks, gzip } = last!;
    const [theirs, dump, total] = [peer, dumps, totals].map((all) => Math.min(...all)) as [
      number,
      number,
      number,
    ];
    console.log(`\n${title}, ${size}, best of ${ROUNDS} rounds`);
    console.log(`  pg_dump | gzip           ${theirs.toFixed(1)} s  ${(gzip / 1e6).toFixed(1)} MB`);
    console.log(
      `  dump, counted, checked   ${dump.toFixed(1)} s  ${(manifest.dump.size / 1e6).toFixed(1)} MB`,
    );
    console.log(`  dump + upload + proof    ${total.toFixed(1)} s`);
    const others = proof.totalSeconds - proof.restoreSeconds;
    console.log(
      `    of it: upload ${uploads.at(-1)?.toFixed(1)} s, restore ${proof.restoreSeconds} s, scratch server and comparison ${others.toFixed(1)} s`,
    );
    console.log(
      `  peak of our processes    ${peaks.map((kb) => (kb / 1024).toFixed(0)).join(" and ")} MB (backup, verify)`,
    );
    expectAtMost(`${title}: dump against pg_dump | gzip`, dump / theirs, 0.2);
    expectAtMost(`${title}: dump, proof and upload`, total / theirs, maxTotal);
    expectAtMost(`${title}: size against gzip's`, manifest.dump.size / gzip, 1.05);
  } finally {
    stop();
  }
}

/** Has no limit: how much slower the server becomes depends on its load. */
async function underLoad(): Promise<void> {
  const { stage, stop } = await open();
  try {
    await stage.sql(ROWS);
    const bin = "/usr/lib/postgresql/18/bin/pgbench -U postgres";
    await stage.exec(stage.server, ["sh", "-c", `${bin} -i -q -s 10 app`]);
    const load = async () => {
      const { stdout } = await stage.exec(stage.server, ["sh", "-c", `${bin} -c 4 -j 2 -T 12 app`]);
      return Number(/tps = ([\d.]+)/.exec(stdout)?.[1]);
    };
    const alone = await load();
    let busy = true;
    const working = (async () => {
      while (busy) for (const verb of ["now", "verify"]) await pgstead(stage, "backup", verb);
    })();
    const beside = await load();
    busy = false;
    await working;
    const slower = (1 - beside / alone) * 100;
    console.log(
      `\npgbench, 4 clients: ${alone.toFixed(0)} tps alone, ${beside.toFixed(0)} while backups are taken and proven without pause (${slower.toFixed(0)} % slower)`,
    );
  } finally {
    stop();
  }
}

async function open() {
  const s3 = startS3();
  const name = `bench-${process.pid}-${Math.random().toString(36).slice(2, 8)}`;
  await s3.client.send(new CreateBucketCommand({ Bucket: name }));
  const stage = await Stage.start({}, AGENT);
  const where = { name, endpoint: s3.endpoint, pathStyle: true };
  stage.write({ backups: { bucket: { ...where, credentialsFile: stage.writeKey() } } });
  writeFileSync(join(stage.folder, "program", "peak.cjs"), PEAK);
  await stage.sql("alter system set maintenance_work_mem = '256MB'");
  await stage.sql("select pg_reload_conf()");
  return { stage, stop: () => stage.stop() };
}

async function timed(run: () => ReturnType<Stage["inAgent"]>) {
  const started = performance.now();
  const { code, stdout, stderr } = await run();
  if (code !== 0) throw new Error(stderr || stdout);
  const seconds = (performance.now() - started) / 1000;
  const peak = Number(/^peak (\d+)$/m.exec(stderr)?.[1] ?? 0);
  const json: unknown = stdout.startsWith("{") ? JSON.parse(stdout) : undefined;
  return { seconds, stdout, peak, json };
}

const pgstead = (stage: Stage, ...verb: string[]) =>
  stage.inAgent(
    ...["env", "NODE_OPTIONS=--require /usr/local/lib/pgstead/peak.cjs"],
    ...["node", "/usr/local/lib/pgstead/pgstead.cjs", ...verb, "--json"],
  );

function expectAtMost(what: string, ratio: number, limit: number): void {
  console.log(`  ${what}: ${ratio.toFixed(2)}x, at most ${limit}`);
  if (!(ratio <= limit)) failures.push(`${what}: ${ratio.toFixed(2)}x`);
}

await main();
