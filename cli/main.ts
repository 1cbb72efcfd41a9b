import { Command, CommanderError } from "commander";
import { ExitCode, ExpectedError } from "../operate/error.ts";
import { Context, type GlobalOptions, RunsInAgent } from "./context.ts";
import type { Call, Verb } from "./verb.ts";
import { verbs } from "./verbs.ts";
import { version } from "./version.ts";

export async function main(argv: string[]): Promise<void> {
  try {
    await program().parseAsync(argv, { from: "user" });
  } catch (error) {
    process.exitCode = explain(error, argv.includes("--json"));
  }
}

function program(): Command {
  const root = new Command("pgstead")
    .description("A homestead for PostgreSQL + pgvector.")
    .version(version)
    .enablePositionalOptions()
    .helpCommand(false)
    .exitOverride()
    .showHelpAfterError('(see "pgstead --help")')
    .addHelpText("after", exitCodes);
  const groups = new Map<string, Command>();
  for (const verb of verbs) {
    const words = verb.name.split(" ");
    const own = words.pop() as string;
    const parent = words.length === 0 ? root : groupOf(words.join(" "));
    addVerb(parent, own, verb);
  }
  return root;

  function groupOf(name: string): Command {
    const known = groups.get(name);
    if (known) return known;
    const created = root
      .command(name)
      .description(`verbs: ${verbsOf(name).join(", ")}`)
      .helpGroup(`${name}:`)
      .exitOverride();
    groups.set(name, created);
    return created;
  }
}

const verbsOf = (group: string) =>
  verbs
    .filter((verb) => verb.name.startsWith(`${group} `))
    .map((verb) => verb.name.split(" ").at(-1));

function addVerb(parent: Command, name: string, verb: Verb): void {
  const command = parent
    .command(`${name} ${verb.args ?? ""}`.trim())
    .aliases(verb.aliases ?? [])
    .summary(verb.summary)
    .description(verb.summary)
    .helpGroup(`${verb.group}:`)
    .option("-s, --stack <name>", "stack (PGSTEAD_STACK, Pulumi's selected stack, else local)")
    .option("--settings <file>", "settings written by `up` (PGSTEAD_SETTINGS)")
    .option("--json", "print JSON on stdout")
    .option("-y, --yes", "answer yes to every question")
    .exitOverride()
    .addHelpText("after", `\nExamples:\n${verb.examples.map((line) => `  ${line}`).join("\n")}`);
  for (const option of verb.options ?? []) {
    command.option(option.flags, option.description, option.default);
  }
  if (verb.passUnknownFlags) command.allowUnknownOption();
  if (verb.passThrough) command.passThroughOptions().allowUnknownOption();
  command.action(async () => {
    const options = command.opts();
    const context = new Context(options as GlobalOptions);
    if (verb.writes && !context.json && !process.env.PGSTEAD_ANNOUNCED)
      context.note(`stack: ${await context.stack()}`);
    const code = await runHereOrInAgent(verb, context, { args: command.args, options });
    process.exitCode = code ?? ExitCode.fine;
  });
}

async function runHereOrInAgent(verb: Verb, context: Context, call: Call) {
  try {
    return await verb.run(context, call);
  } catch (error) {
    if (!(error instanceof RunsInAgent)) throw error;
    const { runInAgent } = await import("./stack/docker/run-in-agent.ts");
    return runInAgent(context, process.argv.slice(2));
  }
}

const exitCodes = `
Exit codes: 0 fine, 1 the person's mistake, 2 something pending, drifted, stale or failing a check,
3 the database is out of reach or refused, 4 a guard refused.`;

/** The one place that decides what a failure looks like. A bug shows its stack, the rest does not. */
function explain(error: unknown, json: boolean): number {
  // Commander has printed its own message, or the help that was asked for.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : ExitCode.mistake;
  if (error instanceof ExpectedError) {
    // A migration that failed says where, in parts that programs can read.
    const { message, exitCode, failure } = error as ExpectedError & { failure?: unknown };
    if (json) console.log(JSON.stringify({ error: message, exitCode, failure }));
    else console.error(`error: ${error.message}`);
    return error.exitCode;
  }
  // The file system said no: full, read-only, not ours. Its message names the path.
  if (isSystemError(error)) {
    console.error(`error: ${error.message.replace(/^[A-Z]+: /, "")}`);
    return ExitCode.mistake;
  }
  console.error(error);
  console.error("This is a bug of pgstead; the lines above say where.");
  return ExitCode.mistake;
}

const isSystemError = (error: unknown): error is NodeJS.ErrnoException =>
  error instanceof Error && "syscall" in error && "path" in error;
