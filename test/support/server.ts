import { execFileSync, spawn } from "node:child_process";
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { freePort } from "./free-port.ts";

/** A real PostgreSQL server for one test run, on loopback. */
export interface TestServer {
  host: string;
  port: number;
  superuser: string;
  password: string;
  hasVector: boolean;
  stop(): Promise<void>;
}

const IMAGE = "pgstead-fixture/postgres:18-trixie";
const PASSWORD = "only-for-tests";

/** Uses PGSTEAD_TEST_SERVER if it is set, else a container of the fixture, else the installed binaries. */
export async function startServer(): Promise<TestServer> {
  const given = process.env.PGSTEAD_TEST_SERVER;
  if (given) {
    const { hostname, port, username, password } = new URL(given);
    return ready({ host: hostname, port: Number(port), superuser: username, password }, () => {});
  }
  if (hasImage()) return startContainer();
  const binaries = findBinaries();
  if (binaries) return startBinaries(binaries);
  throw new Error(
    `these tests need a PostgreSQL: build the image ${IMAGE} (test/fixture/base-image), install one, or set PGSTEAD_TEST_SERVER=postgres://superuser:password@127.0.0.1:5432`,
  );
}

type Address = Pick<TestServer, "host" | "port" | "superuser" | "password">;

async function ready(address: Address, stop: () => Promise<void> | void): Promise<TestServer> {
  const deadline = Date.now() + 60_000;
  for (;;) {
    const { host, port, superuser: user, password } = address;
    const client = new pg.Client({ host, port, user, password, database: "postgres" });
    client.on("error", () => {});
    try {
      await client.connect();
      const { rows } = await client.query(
        "select count(*)::int as found from pg_available_extensions where name = 'vector'",
      );
      return { ...address, hasVector: rows[0].found === 1, stop: async () => stop() };
    } catch (error) {
      if (Date.now() > deadline) {
        await stop();
        throw error;
      }
      await sleep(100);
    } finally {
      await client.end().catch(() => {});
    }
  }
}

const docker = (...args: string[]) =>
  execFileSync("docker", args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }).trim();

function hasImage(): boolean {
  try {
    docker("image", "inspect", IMAGE);
    return true;
  } catch {
    return false;
  }
}

async function startContainer(): Promise<TestServer> {
  const port = await freePort();
  const id = docker(
    ...["run", "--detach", "--rm", "--publish", `127.0.0.1:${port}:5432`],
    ...["--env", `POSTGRES_PASSWORD=${PASSWORD}`, "--shm-size", "256m", IMAGE],
  );
  const stop = async () => {
    docker("rm", "--force", "--volumes", id);
  };
  return ready({ host: "127.0.0.1", port, superuser: "postgres", password: PASSWORD }, stop);
}

function findBinaries(): string | undefined {
  const root = "/usr/lib/postgresql";
  const majors = existsSync(root)
    ? readdirSync(root)
        .map(Number)
        .sort((a, b) => b - a)
    : [];
  return majors
    .map((major) => join(root, String(major), "bin"))
    .find((bin) => existsSync(join(bin, "initdb")));
}

async function startBinaries(bin: string): Promise<TestServer> {
  const port = await freePort();
  const folder = mkdtempSync(join(tmpdir(), "pgstead-test-"));
  const as = serverUser(folder);
  const data = join(folder, "data");
  execFileSync(join(bin, "initdb"), ["-D", data, "-U", "postgres", "-A", "trust"], {
    ...as,
    cwd: folder,
  });
  const server = spawn(
    join(bin, "postgres"),
    ["-D", data, "-p", String(port), "-c", "listen_addresses=127.0.0.1", "-k", folder],
    { ...as, cwd: folder, stdio: "ignore" },
  );
  const stop = async () => {
    server.kill("SIGINT");
    if (server.exitCode === null) await new Promise((resolve) => server.once("exit", resolve));
    rmSync(folder, { recursive: true, force: true });
  };
  return ready({ host: "127.0.0.1", port, superuser: "postgres", password: PASSWORD }, stop);
}

/** initdb refuses to run as root. */
function serverUser(folder: string): { uid?: number; gid?: number } {
  if (process.getuid?.() !== 0) return {};
  const [uid, gid] = ["-u", "-g"].map((flag) =>
    Number(execFileSync("id", [flag, "postgres"], { encoding: "utf8" })),
  ) as [number, number];
  chownSync(folder, uid, gid);
  return { uid, gid };
}
