import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ExitCode, mistake } from "../operate/error.ts";
import { requestStop, type StopName } from "../operate/stop.ts";
import { Context } from "./context.ts";
import { bytesInto, encodeFrame, type Frame, readFrames } from "./frames.ts";
import { untilStopped } from "./interrupt.ts";
import { type Answered, describeFailure, type Ended, type Request } from "./request.ts";
import type { Verb } from "./verb.ts";

/** The agent's side of `askAgent`: reads a request from stdin, and answers on stdout. */
export async function answerRequest(verbs: Verb[]): Promise<void> {
  const frames = readFrames(process.stdin);
  const request: Request = JSON.parse((await payloadOf(frames, "request")).toString());
  const archive = await payloadOf(frames, "archive");
  void obeySignals(frames);
  const answered = await inMigrations(archive, (folder) => answer(verbs, request, folder));
  const written = new Promise((resolve) =>
    process.stdout.write(encodeFrame("answer", JSON.stringify(answered)), resolve),
  );
  await written;
  process.exitCode = "failed" in answered ? answered.failed.exitCode : (answered.exitCode ?? 0);
  process.stdin.destroy();
}

async function payloadOf(frames: AsyncGenerator<Frame, undefined>, kind: Frame["kind"]) {
  const { value } = await frames.next();
  if (value?.kind === kind) return value.payload;
  throw mistake('"pgstead answer" is started by "pgstead" on the person\'s side, not by hand');
}

/** The end of stdin is the end of the person's side, for whatever reason. */
async function obeySignals(frames: AsyncGenerator<Frame, undefined>): Promise<void> {
  try {
    for await (const { payload } of frames) requestStop(payload.toString() as StopName);
  } catch {
    // A broken stdin ends it too.
  }
  requestStop("SIGHUP");
}

/** A folder of this request alone, removed before its answer is sent. */
async function inMigrations<T>(archive: Buffer, use: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "pgstead-migrations-"));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  process.once("exit", remove);
  try {
    const { status, stderr } = spawnSync("tar", ["-xf", "-", "-C", folder], { input: archive });
    if (status !== 0) throw mistake(`cannot unpack the migrations: ${String(stderr).trim()}`);
    return await use(folder);
  } finally {
    process.off("exit", remove);
    remove();
  }
}

async function answer(verbs: Verb[], request: Request, folder: string): Promise<Answered> {
  // The person knows the files by the paths of their own side.
  const rewrite = (text: string) => text.replaceAll(folder, request.migrations);
  const inJson = JSON.stringify(request.migrations).slice(1, -1);
  const rewritten = (answered: Answered): Answered =>
    JSON.parse(JSON.stringify(answered).replaceAll(folder, inJson));
  process.env.PGSTEAD_MIGRATIONS = folder;
  try {
    return rewritten(await untilStopped(() => runHalf(verbs, request, rewrite)));
  } catch (error) {
    return rewritten({ failed: describeFailure(error) });
  }
}

async function runHalf(
  verbs: Verb[],
  { verb: name, args, options, json, yes }: Request,
  rewrite: (text: string) => string,
): Promise<Ended> {
  const verb = verbs.find((each) => each.name === name);
  if (!verb || verb.where === "here") throw mistake(`the agent does not know "${name}"`);
  const out = bytesInto(process.stdout);
  const context = new Context({ json, yes }, { out, rewrite });
  if (verb.where === "split") return { answer: await verb.answer(context, { args, options }, out) };
  return { exitCode: (await verb.run(context, { args, options })) ?? ExitCode.fine };
}
