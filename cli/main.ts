import { Command, CommanderError } from "commander";
import { ExitCode } from "../operate/error.ts";
import { Context, type GlobalOptions } from "./context.ts";
import { reportForcedEnd } from "./forced-end.ts";
import { stopOnBrokenOutput } from "./interrupt.ts";
import { describeFailure } from "./request.ts";
import { runVerb } from "./run-verb.ts";
import type { Verb } from "./verb.ts";
import { verbs } from "./verbs.ts";
import { version } from "./version.ts";

export async function main(argv: string[]): Promise<void> {
  stopOnBrokenOutput();
  const json = argv.includes("--json");
  const reported = json ? reportForcedEnd() : () => {};
  try {
    if (argv.length === 0) {
      const { showOverview } = await import("./overview.ts");
      await showOverview();
    } else await program().parseAsync(arrange(argv), { from: "user" });
  } catch (error) {
    process.exitCode = explain(error, json);
  }
  reported();
}

function arrange([name = "", ...args]: string[]): string[] {
  const verb = verbs.find((each) => each.name === name);
  return [name, ...(verb?.passThrough?.(args) ?? args)];
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
    const parent = words.length === 0 ? root : groupOf(words.join(" "), verb);
    addVerb(parent, own, verb);
  }
  addAnswer(root);
  return root;

  function groupOf(name: string, { group }: Verb): Command {
    const known = groups.get(name);
    if (known) return known;
    const created = root
      .command(name)
      .description(`verbs: ${verbsOf(name).join(", ")}`)
      .helpGroup(`${group === STARTED ? group : name}:`)
      .exitOverride();
    groups.set(name, created);
    return created;
  }
}

const STARTED = "started by the stack itself";

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
    .exitOverride();
  if (verb.help) command.addHelpText("after", `\n${verb.help}`);
  command.addHelpText(
    "after",
    `\nExamples:\n${verb.examples.map((line) => `  ${line}`).join("\n")}`,
  );
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
    process.exitCode = await runVerb(verb, context, { args: command.args, options });
  });
}

/** No verb of the table: it runs any of them, for the other side of a `docker exec`. */
function addAnswer(root: Command): void {
  root
    .command("answer")
    .summary("what `pgstead` starts in the agent; reads a request from stdin")
    .helpGroup(`${STARTED}:`)
    .exitOverride()
    .action(async () => {
      const { answerRequest } = await import("./answer.ts");
      await answerRequest(verbs);
    });
}

const exitCodes = `
Exit codes: 0 fine, 1 the person's mistake, 2 something is pending, differs, is too old, damaged or fails a check,
3 the database, its engine or a disk is out of reach or refused, 4 a guard refused; stopped by a closed terminal 129, by Ctrl-C
130, by TERM 143.`;

/** The one place that decides what a failure looks like. A bug shows its stack, the rest does not. */
function explain(error: unknown, json: boolean): number {
  if (error instanceof CommanderError) return explainUsage(error, json);
  const { message, exitCode, failure, doneBefore, stack } = describeFailure(error);
  const isBug = stack !== undefined;
  if (isBug) {
    console.error(stack);
    console.error("This is a bug of pgstead; the lines above say where.");
  } else if (!json) console.error(`error: ${message}`);
  if (json) {
    // A migration that failed says where, in parts that programs can read.
    const bug = isBug ? { bug: true } : {};
    console.log(JSON.stringify({ error: message, exitCode, failure, ...bug, ...doneBefore }));
  }
  return exitCode;
}

/** Commander has printed its own message, or the help that was asked for. */
function explainUsage({ exitCode, message }: CommanderError, json: boolean): number {
  if (exitCode === 0) return 0;
  const error = message.replace(/^error: /, "");
  if (json) console.log(JSON.stringify({ error, exitCode: ExitCode.mistake }));
  return ExitCode.mistake;
}
