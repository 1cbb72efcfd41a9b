import { spawn } from "node:child_process";
import { constants } from "node:os";
import { mistake } from "../../operate/error.ts";
import type { Settings } from "../../operate/settings.ts";
import { loginAs, type PsqlRole, promptFlags } from "./role.ts";

/** After a statement was cancelled, psql may still wait for input. */
const END_MS = 2_000;

/** psql of this machine, on its own terminal; the caller's flags win. */
export async function runLocalPsql(
  settings: Settings,
  given: string[],
  as?: PsqlRole,
): Promise<number> {
  const { host, port, name, user, superuser } = settings.database;
  if (as && !superuser) {
    throw mistake(`stack "${settings.stack}" has one role, "${user}"; leave out --as`);
  }
  const isInteractive = process.stdin.isTTY && process.stdout.isTTY;
  const args = isInteractive ? [...promptFlags(settings.stack, as), ...given] : given;
  // Variables, so that a flag of the person's wins; over the shell's own, which may name another server.
  const env = {
    ...process.env,
    ...{ PGHOST: host, PGPORT: String(port), PGDATABASE: name, PGUSER: user },
    ...(as && superuser && loginAs(as, superuser, process.env)),
  };
  const child = spawn("psql", args, { stdio: "inherit", env });
  // The terminal sends Ctrl-C to psql as well, which cancels its query.
  const wait = () => {};
  let stopped: NodeJS.Signals | undefined;
  const stop = (by: NodeJS.Signals) => {
    stopped = by;
    child.kill("SIGINT");
    setTimeout(() => child.kill("SIGTERM"), END_MS).unref();
  };
  process.on("SIGINT", wait).on("SIGTERM", stop).on("SIGHUP", stop);
  try {
    return await new Promise<number>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (status, killedBy) => {
        const signal = stopped ?? killedBy;
        resolve(signal ? 128 + constants.signals[signal] : (status as number));
      });
    });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    throw mistake(
      "psql is not installed here; install your system's PostgreSQL client (Debian: postgresql-client, macOS: brew install libpq)",
    );
  } finally {
    process.off("SIGINT", wait).off("SIGTERM", stop).off("SIGHUP", stop);
  }
}
