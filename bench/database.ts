import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { serverCommand, sizeServer } from "../components/server/tuning.ts";
import { readInventory } from "../operate/vector/inventory.ts";
import { measureRecall } from "../operate/vector/recall.ts";
import { freePort } from "../test/support/free-port.ts";
import { docker, ServerContainer } from "../test/support/server-container.ts";
import { buildServerImage, fixtureBase } from "../test/support/server-image.ts";

/**
 * `npm run bench database`: compares our image at its default size with the stock image and its default
 * settings, on the same machine, in turns: an HNSW build of 40,000 x 768, pgbench, recall, and the start
 * after a kill.
 */
const ROWS = Number(process.env.BENCH_ROWS ?? 40_000);
const BUILDS = Number(process.env.BENCH_BUILDS ?? 2);
const DIMENSIONS = 768;
const PGBENCH_SECONDS = 10;
const image = `pgstead-bench-${randomBytes(3).toString("hex")}`;
const stockImage = fixtureBase();

interface Peer {
  server: ServerContainer;
  port: number;
  seconds: Record<string, number[]>;
  recall?: number | null;
}

buildServerImage(stockImage, image);
const sized = sizeServer("bench", { major: "18" });
const peers: Record<string, Peer> = {
  ours: await open(image, ["--shm-size", `${sized.shmMb}m`], serverCommand(sized, {})),
  stock: await open(stockImage, ["-e", "POSTGRES_HOST_AUTH_METHOD=trust"], []),
};
try {
  for (const peer of Object.values(peers)) load(peer);
  for (let round = 0; round < BUILDS; round++) {
    for (const peer of Object.values(peers)) build(peer);
  }
  for (const peer of Object.values(peers)) peer.recall = await recallOf(peer);
  for (const peer of Object.values(peers)) peer.server.psql("drop table items");
  for (let round = 0; round < 3; round++) {
    for (const peer of Object.values(peers)) pgbench(peer);
  }
  for (const peer of Object.values(peers)) await startAfterKill(peer);
  report();
} finally {
  for (const { server } of Object.values(peers)) server.remove();
  ServerContainer.removeImage(image);
}

async function open(from: string, options: string[], command: string[]): Promise<Peer> {
  const port = await freePort();
  const publish = ["--publish", `127.0.0.1:${port}:5432`];
  const server = new ServerContainer({ image: from, options: [...options, ...publish], command });
  await server.waitUntilReady();
  server.psql("create extension vector; create role bench superuser login password 'bench'");
  return { server, port, seconds: {} };
}

/** Creates the same rows in the same order on both servers: clusters with noise, like real embeddings. */
function load({ server }: Peer): void {
  server.psql(
    `select setseed(0.42);
     create table centres as select c, array_agg(random()) as v
       from generate_series(1, 200) c, generate_series(1, ${DIMENSIONS}) group by c;
     create table items as select i as id,
       (select array_agg(x + 0.3 * random() + 0 * i) from unnest(v) x)::vector(${DIMENSIONS}) as v
       from generate_series(1, ${ROWS}) i join centres on c = i % 200 + 1 order by i;
     drop table centres`,
  );
  server.psql("vacuum analyze items");
  server.psql("checkpoint");
}

function build(peer: Peer): void {
  peer.server.psql("drop index if exists items_v");
  timed(peer, "build", () =>
    peer.server.psql("create index items_v on items using hnsw (v vector_l2_ops)"),
  );
}

async function recallOf({ port }: Peer): Promise<number | null> {
  const client = new pg.Client({
    host: "127.0.0.1",
    port,
    user: "bench",
    password: "bench",
    database: "postgres",
  });
  await client.connect();
  try {
    await client.query("begin");
    const inventory = await readInventory(client);
    const [index] = inventory?.indexes ?? [];
    if (!index) throw new Error("the database has no vector index");
    const setting = { name: "hnsw.ef_search", value: 40 };
    const options = { samples: 50, neighbours: 10, budgetMs: 60_000 };
    return (await measureRecall(client, index, setting, options)).recall;
  } finally {
    await client.end();
  }
}

function pgbench(peer: Peer): void {
  const { server } = peer;
  const exec = ["exec", "-u", "postgres", server.name, "pgbench", "-U", "postgres"];
  if (!peer.seconds.pgbench) docker(...exec, "-i", "-q", "-s", "10", "postgres");
  const output = docker(...exec, "-c", "4", "-j", "2", "-T", String(PGBENCH_SECONDS), "postgres");
  const [, rate] = /tps = ([\d.]+)/.exec(output) ?? [];
  // As seconds for a thousand transactions, so that less is better in every line of the report.
  note(peer, "pgbench", 1000 / Number(rate));
}

async function startAfterKill(peer: Peer): Promise<void> {
  const { server } = peer;
  const load = ["exec", "-d", "-u", "postgres", server.name, "pgbench", "-U", "postgres"];
  docker(...load, "-c", "4", "-T", "60", "postgres");
  await sleep(PGBENCH_SECONDS * 1000);
  docker("kill", "--signal", "KILL", server.name);
  const started = performance.now();
  docker("start", server.name);
  await server.waitUntilReady();
  note(peer, "start", (performance.now() - started) / 1000);
}

function timed(peer: Peer, what: string, run: () => void): void {
  const started = performance.now();
  run();
  note(peer, what, (performance.now() - started) / 1000);
}

function note({ seconds }: Peer, what: string, taken: number): void {
  seconds[what] = [...(seconds[what] ?? []), taken];
}

function report(): void {
  const best = (name: string, what: string) => Math.min(...(peers[name]?.seconds[what] ?? []));
  const line = (what: string, title: string, goal: string) => {
    const [ours, stock] = [best("ours", what), best("stock", what)];
    const ratio = (stock / ours).toFixed(2);
    console.log(
      `${title}: ours ${ours.toFixed(2)} s, stock ${stock.toFixed(2)} s, ${ratio}x ${goal}`,
    );
  };
  line("build", `HNSW build of ${ROWS} x ${DIMENSIONS}`, "(goal 3x)");
  line("pgbench", "a thousand transactions of pgbench, 4 clients", "(goal 1x: no worse)");
  line("start", `accepts connections after a kill, during ${PGBENCH_SECONDS} s of pgbench`, "");
  const percent = (name: string) => ((peers[name]?.recall ?? 0) * 100).toFixed(1);
  console.log(`recall of 10 nearest: ours ${percent("ours")} %, stock ${percent("stock")} %`);
}
