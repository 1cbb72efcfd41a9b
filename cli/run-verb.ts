import { ExitCode } from "../operate/error.ts";
import type { Context } from "./context.ts";
import { untilStopped } from "./interrupt.ts";
import type { Ended } from "./request.ts";
import type { DockerStack } from "./stack/docker/docker-stack.ts";
import type { AgentVerb, Call, Question, SplitVerb, Verb } from "./verb.ts";

/** Runs a verb, and those parts of it in the agent that belong there. */
export async function runVerb(verb: Verb, context: Context, call: Call): Promise<ExitCode> {
  if (verb.where === "here") return (await verb.run(context, call)) ?? ExitCode.fine;
  const code = await untilStopped(() =>
    verb.where === "agent" ? runAgentVerb(verb, context, call) : runSplitVerb(verb, context, call),
  );
  return code ?? ExitCode.fine;
}

async function runAgentVerb(verb: AgentVerb, context: Context, call: Call) {
  const stack = await findAgent(context, call);
  if (!stack) return verb.run(context, call);
  try {
    return (await ask(stack, verb, context, call)).exitCode;
  } catch (error) {
    // So that `up` can replace an agent of another version.
    const { NoAnswer } = await import("./stack/docker/ask-agent.ts");
    if (!call.options.allowUnreachable || !(error instanceof NoAnswer)) throw error;
    await context.goOnWithoutDatabase();
    return verb.run(context, call);
  }
}

const runSplitVerb = (verb: SplitVerb, context: Context, call: Call) =>
  verb.run(context, call, (changes = {}) => askSplitVerb(verb, context, { ...call, ...changes }));

/** One half of a split verb, wherever the database is reached. */
export async function askSplitVerb(
  verb: SplitVerb,
  context: Context,
  { out = process.stdout, ...call }: Call & Question,
): Promise<unknown> {
  const stack = await findAgent(context, call);
  if (!stack) return verb.answer(context, call, out);
  return (await ask(stack, verb, context, { ...call, out })).answer;
}

async function ask(
  stack: DockerStack,
  { name: verb }: Verb,
  context: Context,
  { out = process.stdout, args, options }: Call & Question,
): Promise<Ended> {
  const { askAgent } = await import("./stack/docker/ask-agent.ts");
  const { json, yes } = context;
  return askAgent(stack, await context.root(), { verb, args, options, json, yes }, out);
}

/** Undefined where the database is reached from this process. */
async function findAgent(context: Context, { options }: Call): Promise<DockerStack | undefined> {
  const stack = await context.dockerStack();
  if (!stack) return undefined;
  const { isRunning, notRunning } = await import("./stack/docker/docker-stack.ts");
  if (await isRunning(stack, stack.agent)) return stack;
  if (!options.allowUnreachable) throw await notRunning(stack, stack.agent);
  await context.goOnWithoutDatabase();
  return undefined;
}
