import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { mistake, unreachable } from "../error.ts";
import type { Settings } from "../settings.ts";

export interface ToolOptions {
  signal?: AbortSignal;
  /** Receives stdout. @default - stdout is collected and returned */
  stdout?: Writable;
  /** Input of the program. @default - none */
  stdin?: Readable;
  /** Called with the size of every chunk that is written to `stdout`. */
  onBytes?: (count: number) => void;
  database?: string;
}

export interface ToolResult {
  stdout: string;
  /** The lines that a successful program wrote to stderr. */
  remarks: string[];
}

/** The program may hang in a lock wait or a write. After this time it gets SIGKILL. */
const KILL_AFTER_MS = 10_000;

/** Runs a program of PostgreSQL (`pg_dump`, `pg_restore`) against the stack's database. */
export async function runTool(
  settings: Settings,
  program: string,
  args: string[],
  { signal, stdin, stdout, onBytes, database = settings.database.name }: ToolOptions = {},
): Promise<ToolResult> {
  signal?.throwIfAborted();
  return withPasswordFile(settings, database, async (passwordEnv) => {
    const child = spawn(program, args, {
      env: buildEnvironment(settings, database, passwordEnv),
      stdio: [stdin ? "pipe" : "ignore", "pipe", "pipe"],
    });
    const stop = () => {
      child.kill("SIGTERM");
      setTimeout(() => child.kill("SIGKILL"), KILL_AFTER_MS).unref();
    };
    signal?.addEventListener("abort", stop, { once: true });
    const errors = collectText(child.stderr!);
    const text = stdout ? undefined : collectText(child.stdout!);
    // They are awaited later, and the program may fail before.
    for (const collecting of [errors, text]) collecting?.catch(() => {});
    const ended = new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
      child.once("error", (error) => reject(explainStartError(program, error)));
      child.once("close", (code, killedBy) => resolve([code, killedBy]));
    });
    try {
      if (onBytes) child.stdout!.on("data", (chunk) => onBytes(chunk.length));
      const fed = stdin && pipeline(stdin, child.stdin!);
      const piped = stdout && pipeline(child.stdout!, stdout, { end: false });
      // Either side may fail first: the program or the stream.
      const [[code, killedBy]] = await Promise.all([
        ended,
        piped?.catch((error) => fail("write the output", error)),
        // The program's exit code explains more than the broken pipe.
        fed?.catch((error) => error.code === "EPIPE" || fail("read the input", error)),
      ]);
      signal?.throwIfAborted();
      const remarks = (await errors).split("\n").filter((line) => line.trim() !== "");
      if (code === 0) return { stdout: (await text) ?? "", remarks };
      const ending = killedBy ? `was ended by ${killedBy}` : `failed with exit code ${code}`;
      throw unreachable([`${program} ${ending}`, ...remarks.slice(-10)].join("\n  "));
    } finally {
      signal?.removeEventListener("abort", stop);
    }

    function fail(what: string, error: Error): never {
      child.kill("SIGTERM");
      throw mistake(`cannot ${what} of ${program}: ${error.message}`, error);
    }
  });
}

function buildEnvironment(
  settings: Settings,
  database: string,
  passwordEnv: NodeJS.ProcessEnv,
): NodeJS.ProcessEnv {
  const { host, port, user } = settings.database;
  return {
    PATH: process.env.PATH,
    // pgstead reads the messages, so their language must not depend on the machine.
    LC_ALL: "C",
    TZ: "UTC",
    PGHOST: host,
    PGPORT: String(port),
    PGUSER: user,
    PGDATABASE: database,
    PGAPPNAME: "pgstead backup",
    PGCONNECT_TIMEOUT: "10",
    // Without keepalives a dead network connection would block a dump for ever.
    PGOPTIONS:
      "-c tcp_keepalives_idle=60 -c statement_timeout=0 -c idle_in_transaction_session_timeout=0",
    ...passwordEnv,
  };
}

/** Passes the password in a file: other processes can read an environment and a command line. */
async function withPasswordFile<T>(
  settings: Settings,
  database: string,
  use: (env: NodeJS.ProcessEnv) => Promise<T>,
): Promise<T> {
  const { host, port, user, passwordFile } = settings.database;
  if (!passwordFile) return use({});
  const folder = mkdtempSync(join(tmpdir(), "pgstead-"));
  try {
    const file = join(folder, "pgpass");
    const fields = [host, String(port), database, user, readFileSync(passwordFile, "utf8").trim()];
    const line = fields.map((field) => field.replace(/[\\:]/g, "\\$&")).join(":");
    writeFileSync(file, `${line}\n`, { mode: 0o600 });
    return await use({ PGPASSFILE: file });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function collectText(stream: NodeJS.ReadableStream): Promise<string> {
  let text = "";
  for await (const chunk of stream) text += chunk;
  return text;
}

function explainStartError(program: string, error: NodeJS.ErrnoException) {
  const reason =
    error.code === "ENOENT"
      ? `it is not installed here; the stack's agent container has it and runs the backups`
      : error.message;
  return mistake(`cannot start ${program}: ${reason}`, error);
}
