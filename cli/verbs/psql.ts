import { spawn } from "node:child_process";
import { constants } from "node:os";
import { mistake } from "../../operate/error.ts";
import type { Verb } from "../verb.ts";

export const psql: Verb = {
  name: "psql",
  group: "look",
  summary: "psql on the database; flags and stdin pass through",
  args: "[psql-flags...]",
  examples: [
    "pgstead psql",
    'pgstead psql -c "SELECT count(*) FROM documents"',
    "pgstead psql < query.sql",
  ],
  passThrough: true,
  async run(context, { args }) {
    const stack = await context.dockerStack();
    if (stack) {
      const { psqlInContainer } = await import("../stack/docker/server-container.ts");
      return exitCodeOf(await psqlInContainer(stack, args));
    }
    const settings = await context.settings();
    const { assertOurServer } = await import("../../operate/connect/embedded-state.ts");
    assertOurServer(settings);
    const { host, port, name, user } = settings.database;
    // Variables, so that a flag of the person's wins; over the shell's own, which may name another server.
    const env = {
      ...process.env,
      ...{ PGHOST: host, PGPORT: String(port), PGDATABASE: name, PGUSER: user },
    };
    const child = spawn("psql", args, { stdio: "inherit", env });
    const ignore = () => {};
    // Ctrl-C is psql's: it cancels a query there.
    process.on("SIGINT", ignore);
    const code = await new Promise<number>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (status, signal) =>
        resolve(status ?? 128 + (signal ? constants.signals[signal] : 0)),
      );
    }).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOENT") throw error;
      throw mistake(
        "psql is not installed here; install your system's PostgreSQL client (Debian: postgresql-client, macOS: brew install libpq)",
      );
    });
    process.off("SIGINT", ignore);
    return exitCodeOf(code);
  },
};

/** psql's own codes: 1 its mistake, 2 connection lost, 3 a script stopped at an error. */
const exitCodeOf = (code: number) => (code === 2 ? 3 : code === 0 ? 0 : 1);
