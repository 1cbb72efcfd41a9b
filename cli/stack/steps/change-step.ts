import { isOlderVersion } from "../../../config/version-order.ts";
import { CHANGE_MS } from "../../../docker/run-docker.ts";
import { ExitCode, ExpectedError, refused, unreachable } from "../../../operate/error.ts";
import { askEngine, createEngineError, runInContainer } from "../docker/ask-engine.ts";
import { containerState, imageOf } from "../docker/docker-stack.ts";
import { ensureProvenBackup } from "../docker/proven-backup.ts";
import {
  askServer,
  describeLoss,
  readServerFacts,
  type ServerFacts,
} from "../docker/server-facts.ts";
import { withReportedExitCode } from "../pulumi/report-exit-code.ts";
import { describeStake } from "./at-stake.ts";
import {
  assertPgvector,
  hasOnlyComments,
  setVersionSql,
  updateScriptSql,
} from "./pgvector-change.ts";
import {
  findPreviousConfig,
  listChangedKeys,
  type PreviousKeys,
  recordPrevious,
} from "./previous-config.ts";
import { tryServer, type WantedServer } from "./server-trial.ts";

/** What the declared guard hands over; the components' `ChangeGuard` writes it. */
export interface ChangeStep {
  prefix: string;
  image: string;
  /** Somebody goes back to an image that has run before. */
  pinned: boolean;
  superuser: string;
  protect: boolean;
  provenWithinHours: number;
  accept: string[];
  server: WantedServer;
}

type Note = (line: string) => void;

export const previousTag = (prefix: string) => `${prefix}-postgres:previous`;

/**
 * Before the server changes: tries its new settings, and records the present ones and the image for `undo`.
 * Before its image changes: refuses what the cluster would not survive, and takes a proven backup.
 */
export function runChangeStep(step: ChangeStep, note: Note): Promise<void> {
  return withReportedExitCode(() => prepareChange(step, note));
}

async function prepareChange(step: ChangeStep, note: Note): Promise<void> {
  await tryServer(step);
  const container = `${step.prefix}-postgres`;
  const running = await imageOf(process.env, container);
  // Without a container only the image's own guard looks at the volume.
  if (!running) return;
  if (running === step.image) return recordSettings(step, running, note);
  await assertImageAcceptsVolume(step, container);
  if ((await containerState(process.env, container)) !== "running") {
    return note(`${container} is not running: its databases were not asked before the change`);
  }
  const facts = await readServerFacts(step, container);
  const wanted = await readPgvector(step.image);
  const renumbered = step.pinned ? await findEqualSql(step, facts, wanted) : [];
  await assertPgvectorChange(step, facts, wanted, renumbered);
  if (step.protect && step.provenWithinHours > 0) await ensureProvenBackup(step, note);
  await tagPrevious(step, running, note);
  await recordPrevious(step.prefix, { keys: findChangedKeys(step), isOtherImage: true });
  for (const database of renumbered) {
    await askServer(container, step.superuser, database, setVersionSql(wanted));
    note(`pgvector in "${database}" has version ${wanted} again: only comments had changed`);
  }
}

/** The keys in which the `up` before differs; none if it recorded none. */
function findChangedKeys({ server }: ChangeStep): PreviousKeys {
  const printed = process.env.PULUMI_COMMAND_STDOUT;
  const before = printed && (JSON.parse(printed) as { server?: WantedServer }).server;
  return before ? listChangedKeys(before, server) : {};
}

/** While the server does not run, the settings with which it last ran stay recorded. */
async function recordSettings(step: ChangeStep, image: string, note: Note): Promise<void> {
  const keys = findChangedKeys(step);
  if (Object.keys(keys).length === 0) return;
  const { prefix } = step;
  if ((await containerState(process.env, `${prefix}-postgres`)) === "running") {
    await recordPrevious(prefix, { keys, isOtherImage: false });
    return tagPrevious(step, image, note);
  }
  const last = await findPreviousConfig(process.env, prefix);
  if (!last) return recordPrevious(prefix, { keys, isOtherImage: false });
  await recordPrevious(prefix, { ...last, keys: { ...keys, ...last.keys } });
}

/** The new image's own guard looks at the volume while the old server still serves it. */
async function assertImageAcceptsVolume(step: ChangeStep, container: string): Promise<void> {
  const run = ["run", "--rm", "--network", "none", "--volumes-from", `${container}:ro`];
  const env = ["-e", `PGSTEAD_ACCEPT=${step.accept.join("\n")}`];
  const answer = await runInContainer(process.env, [...run, ...env, step.image, "check"]);
  if (answer.kind === "found") return;
  if (answer.kind !== "failed") throw createEngineError(process.env, answer);
  const refusal = /^pgstead: refused: (.*)$/m.exec(answer.stderr)?.[1];
  if (refusal) throw refused(`${refusal}. ${await describeStake({ prefix: step.prefix })}`);
  throw unreachable(
    `the new image could not check the volume (exit code ${answer.code}): ${answer.stderr.trim()}`,
  );
}

async function assertPgvectorChange(
  { accept, prefix }: ChangeStep,
  facts: ServerFacts,
  wanted: string,
  renumbered: string[],
): Promise<void> {
  const changed = Object.entries(facts.pgvector).filter(([name]) => !renumbered.includes(name));
  try {
    assertPgvector({ wanted, installed: Object.fromEntries(changed), accept });
  } catch (error) {
    if (!(error instanceof ExpectedError) || error.exitCode !== ExitCode.refused) throw error;
    throw refused(`${error.message}. ${await describeLoss(prefix, facts)}`, error);
  }
}

async function readPgvector(image: string): Promise<string> {
  const run = ["run", "--rm", "--network", "none", "--entrypoint", "pgstead-versions", image];
  return JSON.parse(await askEngine(process.env, run, CHANGE_MS)).pgvector;
}

/** Going back: databases whose newer version has the same functions, so the older library serves them. */
async function findEqualSql(step: ChangeStep, facts: ServerFacts, wanted: string) {
  const found: string[] = [];
  for (const [database, version] of Object.entries(facts.pgvector)) {
    if (!isOlderVersion(wanted, version)) continue;
    const sql = updateScriptSql(wanted, version);
    const script = await askServer(`${step.prefix}-postgres`, step.superuser, database, sql);
    if (hasOnlyComments(script)) found.push(database);
  }
  return found;
}

/** Fails if the tag cannot be set: without the image there is no way back. */
async function tagPrevious(step: ChangeStep, image: string, note: Note) {
  const tag = previousTag(step.prefix);
  await askEngine(process.env, ["tag", image, tag], CHANGE_MS);
  const tagged = `the image that ran until now is tagged ${tag}`;
  note(`${tagged}: "pgstead undo" goes back to ${image === step.image ? "its settings" : "it"}`);
}
