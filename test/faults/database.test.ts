import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { serverCommand, sizeServer } from "../../components/server/tuning.ts";
import { freePort } from "../support/free-port.ts";
import { docker, ServerContainer } from "../support/server-container.ts";
import { buildServerImage, fixtureBase } from "../support/server-image.ts";
import { type Fault, killContainer, Random, runScenario, SmallDisk, type Step } from "./harness.ts";

const image = `pgstead-faults-${randomBytes(3).toString("hex")}`;
beforeAll(() => buildServerImage(fixtureBase(), image));
afterAll(() => ServerContainer.removeImage(image));

interface Limits {
  disk?: SmallDisk;
  /** Memory limit of the container, without swap. Above it, the kernel kills a process. */
  memory?: string;
}

/** A server with writers, and the numbers of the rows whose commit was acknowledged. */
class WriteLoad {
  readonly acknowledged: number[] = [];
  readonly server: ServerContainer;
  readonly disk: SmallDisk | undefined;
  private readonly port: number;
  private next = 0;

  private constructor(server: ServerContainer, port: number, disk?: SmallDisk) {
    this.server = server;
    this.port = port;
    this.disk = disk;
  }

  static async open({ disk, memory }: Limits = {}): Promise<WriteLoad> {
    const port = await freePort();
    const sized = sizeServer("db", { major: "18", memoryMb: 512 }, { max_wal_size: "128MB" });
    const server = new ServerContainer({
      image,
      options: [
        ...["--shm-size", `${sized.shmMb}m`, "--publish", `127.0.0.1:${port}:5432`],
        ...(memory ? ["--memory", memory, "--memory-swap", memory] : []),
      ],
      command: serverCommand(sized, {
        hba_file: "/etc/pgstead/pg_hba.conf",
        ident_file: "/etc/pgstead/pg_ident.conf",
      }),
      ...(disk && { folder: disk.folder }),
    });
    await server.waitUntilReady();
    server.psql(`create extension vector; create extension amcheck;
      create role app login password 'only-for-tests';
      create table a (n bigint primary key, v vector(32)); create table b (n bigint primary key);
      create index on a using hnsw (v vector_l2_ops); grant all on a, b to app`);
    return new WriteLoad(server, port, disk);
  }

  /** Each transaction writes to both tables. A writer stops when its connection ends. */
  async write(milliseconds: number): Promise<void> {
    const until = Date.now() + milliseconds;
    await Promise.all([1, 2, 3, 4].map(() => this.runWriter(until)));
  }

  private async runWriter(until: number): Promise<void> {
    const client = new pg.Client({
      ...{ host: "127.0.0.1", port: this.port, user: "app", database: "postgres" },
      ...{ password: "only-for-tests", connectionTimeoutMillis: 5_000 },
    });
    client.on("error", () => {});
    try {
      await client.connect();
      while (Date.now() < until) {
        const n = this.next++;
        await client.query("begin");
        await client.query(
          "insert into a select $1, array_agg(random())::vector(32) from generate_series(1, 32)",
          [n],
        );
        await client.query("insert into b values ($1)", [n]);
        await client.query("commit");
        this.acknowledged.push(n);
      }
    } catch {
      // The fault has ended this connection. Rows that were acknowledged before must exist.
    } finally {
      await client.end().catch(() => {});
    }
  }

  async recover(): Promise<void> {
    docker("start", this.server.name);
    await this.server.waitUntilReady();
  }

  close(): void {
    this.server.remove();
    this.disk?.close();
  }
}

const writing: Step<WriteLoad> = {
  name: "write",
  windowMs: 1500,
  run: (world) => world.write(2500),
};

const faults: Fault<WriteLoad>[] = [
  {
    name: "the container is killed",
    strike: async ({ server }) => {
      killContainer(server.name);
      return undefined;
    },
  },
  {
    name: "one backend is killed, as by the kernel without free memory",
    strike: async ({ server }) => {
      const pid = server.psql("select pid from pg_stat_activity where usename = 'app' limit 1");
      if (pid !== "") docker("exec", "-u", "0", server.name, "kill", "-9", pid);
      return undefined;
    },
  },
  {
    name: "the container is stopped with a timeout of 0",
    strike: async ({ server }) => {
      docker("stop", "-t", "0", server.name);
      return undefined;
    },
  },
  {
    name: "S1 a second server starts on its volume",
    strike: async ({ server }) => {
      const mount = ["-v", `${server.data}:/var/lib/postgresql`, "-e", "PGSTEAD_LOCK_SECONDS=1"];
      const second = spawnSync("docker", ["run", "--rm", ...mount, image], { encoding: "utf8" });
      expect([second.status, second.stderr]).toEqual([78, expect.stringContaining("refused")]);
      return undefined;
    },
  },
];

const invariants = [
  {
    name: "every acknowledged row exists",
    check: async ({ server, acknowledged }: WriteLoad) => {
      const found = new Set(server.psql("select n from a").split("\n").map(Number));
      const lost = acknowledged.filter((n) => !found.has(n));
      expect(lost).toEqual([]);
      // Without load, this check would prove nothing.
      expect(acknowledged.length).toBeGreaterThan(20);
    },
  },
  {
    name: "no transaction is half committed",
    check: async ({ server }: WriteLoad) => {
      const half =
        "select (select count(*) from a where n not in (select n from b)) + (select count(*) from b where n not in (select n from a))";
      expect(server.psql(half)).toBe("0");
    },
  },
  {
    name: "tables and indexes are consistent, and the vector index finds rows",
    check: async ({ server }: WriteLoad) => {
      server.psql(
        "select bt_index_check(indexrelid, true) from pg_index join pg_class i on i.oid = indexrelid join pg_am on pg_am.oid = relam where indrelid in ('a'::regclass, 'b'::regclass) and amname = 'btree'",
      );
      expect(server.psql("select count(*) from verify_heapam('a')")).toBe("0");
      const search =
        "set enable_seqscan = off; select count(*) from (select 1 from a order by v <-> (select v from a limit 1) limit 5) x";
      expect(server.psql(search)).toBe("5");
    },
  },
];

test("S1 no acknowledged write is lost when the server is killed at any moment", async () => {
  const rounds = Number(process.env.KILLS ?? 4);
  const seen = await runScenario<WriteLoad>({
    name: "a server under write load",
    rounds,
    open: () => WriteLoad.open(),
    close: async (world) => world.close(),
    steps: [writing],
    faults,
    recover: (world) => world.recover(),
    invariants,
  });
  expect(seen).toHaveLength(rounds);
});

test("a full disk stops the server or its writers, and no acknowledged write is lost", async () => {
  const full: Fault<WriteLoad> = {
    name: "the disk is full",
    strike: async ({ disk }) => {
      disk?.fill(64 * 1024);
      return async () => {
        await sleep(1000);
        disk?.free();
      };
    },
  };
  const seen = await runScenario<WriteLoad>({
    name: "a server on a small disk",
    rounds: Math.ceil(Number(process.env.KILLS ?? 1) / 4),
    open: () => WriteLoad.open({ disk: new SmallDisk(400) }),
    close: async (world) => world.close(),
    steps: [{ ...writing, windowMs: 800 }],
    faults: [full],
    recover: (world) => world.recover(),
    invariants,
  });
  expect(seen.length).toBeGreaterThan(0);
});

/** One backend then needs more memory than the container's limit. */
const TOO_MUCH_MEMORY =
  "set statement_timeout = '60s'; select length(string_agg(repeat(md5(i::text), 30000), '' order by i)) from generate_series(1, 900) i";

test("the kernel's OOM killer takes a backend or the server itself, and nothing acknowledged is lost", async () => {
  const struck = async (server: ServerContainer) => {
    const file = oomFile(server.name);
    const before = oomKills(file);
    await server.startPsql(TOO_MUCH_MEMORY);
    // Without a kill the invariants would hold for nothing. With process 1 its group is gone as well.
    const after = oomKills(file);
    const state = JSON.parse(docker("inspect", "-f", "{{json .State}}", server.name));
    expect(state.OOMKilled || (after ?? 0) > (before ?? 0)).toBe(true);
    return undefined;
  };
  const oom: Fault<WriteLoad>[] = [
    // Whom the kernel kills differs from machine to machine: a backend, or process 1 and with it the
    // container. What must hold, holds for either.
    { name: "a greedy backend goes beyond the limit", strike: ({ server }) => struck(server) },
    {
      name: "the first process is killed, and with it the container",
      strike: async ({ server }) => {
        const { Pid } = JSON.parse(docker("inspect", "-f", "{{json .State}}", server.name));
        process.kill(Pid, "SIGKILL");
        while (docker("inspect", "-f", "{{.State.Running}}", server.name) === "true") {
          await sleep(50);
        }
        return undefined;
      },
    },
  ];
  const seen = await runScenario<WriteLoad>({
    name: "a server without enough memory",
    rounds: Math.ceil(Number(process.env.KILLS ?? 4) / 2),
    open: () => WriteLoad.open({ memory: "400m" }),
    close: async (world) => world.close(),
    steps: [{ ...writing, windowMs: 800 }],
    faults: oom,
    recover: (world) => world.recover(),
    invariants,
  });
  expect(seen.length).toBeGreaterThan(0);
});

/** Where the kernel counts whom it killed in the container (both versions of control groups). */
function oomFile(container: string): string {
  const { Pid } = JSON.parse(docker("inspect", "-f", "{{json .State}}", container));
  const groups = readFileSync(`/proc/${Pid}/cgroup`, "utf8");
  const [, v1] = /^\d+:memory:(.*)$/m.exec(groups) ?? [];
  const [, v2] = /^0::(.*)$/m.exec(groups) ?? [];
  return v1 ? `/sys/fs/cgroup/memory${v1}/memory.oom_control` : `/sys/fs/cgroup${v2}/memory.events`;
}

function oomKills(file: string): number | undefined {
  if (!existsSync(file)) return undefined;
  return Number(/^oom_kill (\d+)$/m.exec(readFileSync(file, "utf8"))?.[1] ?? Number.NaN);
}

test("a server that is killed while it creates its cluster deletes the incomplete cluster and starts over", async () => {
  const random = new Random(Number(process.env.PGSTEAD_FAULT_SEED ?? 1));
  const server = new ServerContainer({ image });
  try {
    for (let kill = 0; kill < Number(process.env.KILLS ?? 4); kill++) {
      await sleep(random.between(100, 2500));
      killContainer(server.name);
      docker("start", server.name);
    }
    await server.waitUntilReady();
    expect(server.psql("select count(*) from pg_database")).toBe("3");
    server.psql("create extension amcheck");
    expect(server.psql("select count(*) from verify_heapam('pg_proc')")).toBe("0");
    // After that, a kill does not delete the cluster.
    server.psql("create table kept (n int)");
    killContainer(server.name);
    docker("start", server.name);
    await server.waitUntilReady();
    expect(server.psql("select count(*) from kept")).toBe("0");
  } finally {
    server.remove();
  }
});
