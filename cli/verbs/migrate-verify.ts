import { ExitCode } from "../../operate/error.ts";
import type { Difference } from "../../operate/migrate/schema/find-drift.ts";
import type { Verb } from "../verb.ts";

export const migrateVerify: Verb = {
  name: "migrate verify",
  where: "agent",
  group: "migrate",
  summary: "find drift between the live schema and what the files make; exit 2 if there is any",
  examples: ["pgstead migrate verify", "pgstead migrate verify --json"],
  async run(context) {
    const { verify } = await import("../../operate/migrate/schema/find-drift.ts");
    const result = await verify(await context.settings());
    const { differences, database, objects } = result;
    context.print(result, () =>
      differences.length === 0
        ? `no drift: the ${objects} objects of "${database}" are what the files make`
        : [`"${database}" differs from its files:`, ...differences.map(describe)].join("\n"),
    );
    return differences.length === 0 ? ExitCode.fine : ExitCode.pending;
  },
};

function describe({ what, kind, name, files, live }: Difference): string {
  if (what !== "changed") {
    return what === "missing" ? `- ${kind} ${name} is missing` : `+ ${kind} ${name} is in no file`;
  }
  const [wanted, found] = [linesOf(files), linesOf(live)];
  return [
    `~ ${kind} ${name} was changed`,
    ...[...wanted].filter((line) => !found.has(line)).map((line) => `    files: ${line.trim()}`),
    ...[...found].filter((line) => !wanted.has(line)).map((line) => `    live:  ${line.trim()}`),
  ].join("\n");
}

/** The last column of a table has no comma after it. */
const linesOf = (sql: string | null) =>
  new Set(sql?.split("\n").map((line) => line.replace(/,$/, "")));
