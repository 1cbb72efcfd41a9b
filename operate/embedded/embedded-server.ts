import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { PGlite } from "@electric-sql/pglite";
import { pgcrypto } from "@electric-sql/pglite/contrib/pgcrypto";
import { vector } from "@electric-sql/pglite-pgvector";
import { requireEmbeddedFolder } from "../connect/embedded-folder.ts";
import { paths } from "../connect/embedded-paths.ts";
import { type ExpectedError, refused, unreachable } from "../error.ts";
import { isLockHolder, tryFileLock } from "../file-lock.ts";
import type { Settings } from "../settings.ts";
import { describePortHolder, findFreePort, isPortFree } from "./port-holder.ts";
import { type Backend, SharedSession } from "./shared-session.ts";

const MAJOR = "18";

/** Runs the embedded server and `runBeside` in this process until SIGTERM or SIGINT. */
export async function serveEmbedded(
  settings: Settings,
  runBeside: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const folder = requireEmbeddedFolder(settings);
  const lock = tryFileLock(paths.lock(folder), "embedded server");
  if (isLockHolder(lock)) {
    throw refused(`process ${lock.pid} has used the data in ${folder} since ${lock.since}`);
  }
  try {
    assertSupportedMajor(folder);
    // Checked first, because opening the database takes seconds.
    if (!(await isPortFree(settings.database.port))) throw await explainTakenPort(settings);
    const open = () => openDatabase(folder);
    let database = await open();
    const reopen = async () => {
      database = await open();
      return database as Backend;
    };
    const session = new SharedSession(database as Backend, reopen);
    const server = await listen(settings, session);
    writeFileSync(
      paths.running(folder),
      JSON.stringify({ pid: process.pid, port: settings.database.port }),
    );
    log(`ready on 127.0.0.1:${settings.database.port}`);
    const stop = new AbortController();
    const work = runBeside(stop.signal).catch((error) => log(`no schedule: ${error.message}`));
    await waitForStopSignal();
    log("stopping");
    stop.abort();
    await work;
    server.close();
    await session.drain();
    await database.close();
    rmSync(paths.running(folder), { force: true });
    log("stopped");
  } finally {
    lock.release();
  }
}

async function openDatabase(folder: string): Promise<PGlite> {
  mkdirSync(folder, { recursive: true });
  const dataDir = paths.data(folder);
  // Without the marker the initialisation did not finish, so the folder holds no user data.
  if (existsSync(dataDir) && !existsSync(paths.initialised(folder))) {
    log("an earlier initialisation did not finish; it starts again");
    rmSync(dataDir, { recursive: true });
  }
  const database = await openPglite(dataDir);
  await database.exec(
    "CREATE EXTENSION IF NOT EXISTS vector; CREATE EXTENSION IF NOT EXISTS pgcrypto",
  );
  writeFileSync(paths.initialised(folder), `${MAJOR}\n`);
  return database;
}

/** Error numbers of WebAssembly's file system. */
const FILE_SYSTEM_ERRORS: Record<number, string> = {
  2: "permission denied",
  51: "no space left on device",
  69: "read-only file system",
};

async function openPglite(dataDir: string): Promise<PGlite> {
  try {
    return await PGlite.create({ dataDir, extensions: { vector, pgcrypto } });
  } catch (error) {
    const reason = FILE_SYSTEM_ERRORS[(error as { errno?: number }).errno ?? -1];
    if (reason) throw unreachable(`cannot open the data in ${dataDir}: ${reason}`, error);
    throw error;
  }
}

function assertSupportedMajor(folder: string): void {
  const file = join(paths.data(folder), "PG_VERSION");
  if (!existsSync(file)) return;
  const found = readFileSync(file, "utf8").trim();
  if (found === MAJOR) return;
  throw refused(
    `the data in ${paths.data(folder)} was written by PostgreSQL ${found}, and this version of pgstead embeds PostgreSQL ${MAJOR}; nothing was changed. Dump it with the pgstead that wrote it, then move the folder away and run "pgstead up"`,
  );
}

async function listen(settings: Settings, session: SharedSession): Promise<Server> {
  const { port } = settings.database;
  const server = createServer((socket) => session.accept(socket));
  const failure = await new Promise<NodeJS.ErrnoException | undefined>((resolve) => {
    server.once("error", resolve);
    // Loopback only, because the embedded server accepts every user and password.
    server.listen(port, "127.0.0.1", () => resolve(undefined));
  });
  if (!failure) return server;
  if (failure.code === "EADDRINUSE") throw await explainTakenPort(settings);
  throw unreachable(`cannot listen on 127.0.0.1:${port}: ${failure.message}`, failure);
}

async function explainTakenPort({ database: { port }, stack }: Settings): Promise<ExpectedError> {
  const free = await findFreePort(port);
  return unreachable(
    `port ${port} is taken by ${describePortHolder(port)}; port ${free} is free: pulumi config set pgstead:port ${free} --stack ${stack}`,
  );
}

function waitForStopSignal(): Promise<void> {
  return new Promise((resolve) => {
    process.once("SIGTERM", resolve);
    process.once("SIGINT", resolve);
  });
}

const log = (line: string) => console.log(`${new Date().toISOString()} ${line}`);
