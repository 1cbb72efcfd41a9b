import { ExitCode } from "../../operate/error.ts";
import { untilStopped } from "../interrupt.ts";
import { moveOwnOptionsFirst } from "../psql/arguments.ts";
import type { Verb } from "../verb.ts";

export const psql: Verb = {
  name: "psql",
  where: "here",
  group: "look",
  summary: "psql on the database; flags and stdin pass through",
  args: "[psql-flags...]",
  help: `On a stack of containers psql runs beside the server and sees no file of this machine. These work:
  -f FILE, also several       the files are read here
  \\i FILE, \\ir FILE           on a line of their own, in a file of -f or on stdin
  -o FILE, > FILE             the output is written here
  \\copy ... from pstdin       with < FILE, and "to pstdout" with > FILE
In a session that you type, \\i and \\o see the container's files: type "pgstead psql -f FILE" instead.

Options of pgstead (--stack, --as, --settings) may stand anywhere between psql's flags. -s is --stack; psql's
own -s is --single-step. On a protected stack the role is readonly, unless --as or -U names another.`,
  options: [{ flags: "--as <role>", description: "readonly, app, owner or superuser" }],
  examples: [
    "pgstead psql",
    'pgstead psql -c "SELECT count(*) FROM documents"',
    'pgstead psql --stack prod --as app -c "UPDATE documents SET title = trim(title)"',
    "pgstead psql < query.sql",
    "pgstead psql -f query.sql -o result.txt",
  ],
  passThrough: moveOwnOptionsFirst,
  async run(context, { args, options }) {
    const { readPsqlRole } = await import("../psql/role.ts");
    const as = options.as === undefined ? undefined : readPsqlRole(String(options.as));
    const stack = await context.dockerStack();
    if (stack) {
      const { runPsqlInContainer } = await import("../psql/in-container.ts");
      return exitCodeOf(await untilStopped(() => runPsqlInContainer(stack, args, as)));
    }
    const settings = await context.settings();
    const { assertOurServer } = await import("../../operate/connect/embedded-state.ts");
    assertOurServer(settings);
    const { runLocalPsql } = await import("../psql/local.ts");
    return exitCodeOf(await runLocalPsql(settings, args, as));
  },
};

/** psql's own codes: 1 its mistake, 2 connection lost, 3 a script stopped at an error. */
function exitCodeOf(code: number): ExitCode {
  if (code === ExitCode.hangup || code === ExitCode.terminated) return code;
  return code === 2 ? ExitCode.unreachable : code === 0 ? ExitCode.fine : ExitCode.mistake;
}
