import { setTimeout as sleep } from "node:timers/promises";
import type { readStatus } from "../operate/inspect/read-status.ts";
import type { Section } from "../operate/inspect/section.ts";
import { Context } from "./context.ts";
import { askSplitVerb } from "./run-verb.ts";
import type { SplitVerb } from "./verb.ts";
import { status } from "./verbs/status.ts";

type Status = Awaited<ReturnType<typeof readStatus>>;

const LIMIT_MS = 4_000;

interface Overview {
  lines: string[];
  /** The likeliest commands, with what they do. */
  next: [string, string][];
}

/** `pgstead` without a verb: how the stack is, and what to type next. Never an error, and soon done. */
export async function showOverview(): Promise<void> {
  const { lines, next } = await readOverview();
  const width = Math.max(...ALWAYS.concat(next).map(([command]) => command.length));
  const shown = [...next, ...ALWAYS].map(([command, why]) => `  ${command.padEnd(width)}  ${why}`);
  process.stdout.write(`${[...lines, "", ...shown].join("\n")}\n`);
  // An engine or a server that hangs must not hold this process.
  process.exit(0);
}

const ALWAYS: [string, string][] = [["pgstead --help", "all verbs"]];

async function readOverview(): Promise<Overview> {
  const context = new Context({});
  let stack: string;
  try {
    stack = await context.stack();
  } catch (error) {
    return { lines: [(error as Error).message], next: [] };
  }
  const late = sleep(LIMIT_MS).then(() => {
    throw new Error(`no answer within ${LIMIT_MS / 1000} s`);
  });
  const status = Promise.all([engineOf(context), readStackStatus(context)]);
  try {
    const [engine, sections] = await Promise.race([status, late]);
    return overviewOf(stack, engine, sections);
  } catch (error) {
    return {
      lines: [`stack "${stack}" is not up: ${(error as Error).message}`],
      next: [[`pgstead up --stack ${stack}`, "bring it up"]],
    };
  }
}

const engineOf = async (context: Context) =>
  (await context.dockerStack()) ? "docker" : "embedded";

const readStackStatus = async (context: Context) =>
  ((await askSplitVerb(status as SplitVerb, context, { args: [], options: {} })) as Status)
    .sections;

function overviewOf(stack: string, engine: string, sections: Section[]): Overview {
  const find = (title: string) => sections.find((section) => section.title === title);
  const down = sections.find(({ state }) => state === "down");
  if (down) {
    return {
      lines: [`stack "${stack}" (${engine}) is down: ${down.lines.join("; ")}`],
      next: [[`pgstead up --stack ${stack}`, "bring it up"]],
    };
  }
  const { schemaVersion, pending, amiss } = find("migrations")?.data ?? {};
  const { newest, proven } = find("backups")?.data ?? {};
  const next: Overview["next"] = [];
  if (amiss) next.push(["pgstead migrate list", "see which migrations are not as they should be"]);
  if (pending) next.push(["pgstead migrate up", "apply what is pending"]);
  if (newest === null) next.push(["pgstead backup now", "take the first backup"]);
  else if (proven === null) next.push(["pgstead backup verify", "prove that it can be restored"]);
  next.push(["pgstead status", "more about the stack"], ["pgstead psql", "SQL on the database"]);
  return {
    lines: [
      `stack "${stack}" (${engine}) is up`,
      `  schema version: ${schemaVersion ?? "none"}, ${pending} pending`,
      `  newest proven backup: ${proven ?? "none"}`,
    ],
    next,
  };
}
