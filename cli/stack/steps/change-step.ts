import { isOlderVersion } from "../../../config/version-order.ts";
import { ExitCode, ExpectedError, refused } from "../../../operate/error.ts";
import { containerState, docker, engineError, imageOf } from "../docker/docker-stack.ts";
import { ensureProvenBackup } from "../docker/proven-backup.ts";
import { askServer, describeLoss, type ServerFacts, serverFacts } from "../docker/server-facts.ts";
import { reportingExitCode } from "../pulumi/report-exit-code.ts";
import { atStake } from "./at-stake.ts";
import { assertPgvector, changesNothing, setBack, updateSql } from "./pgvector-change.ts";

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
}

export const previousTag = (prefix: string) => `${prefix}-postgres:previous`;

/**
 * Before the server's image changes: refuses what the cluster would not survive, has a proven backup
 * taken first, and keeps the image that runs now.
 */
export function runChangeStep(step: ChangeStep, note: (line: string) => void): Promise<void> {
  return reportingExitCode(() => checkChange(step, note));
}

async function checkChange(step: ChangeStep, note: (line: string) => void): Promise<void> {
  const container = `${step.prefix}-postgres`;
  const running = await imageOf(process.env, container);
  // Nothing there, or nothing new: the image's own guard still looks at the volume.
  if (!running || running === step.image) return;
  await tryOnVolume(step, container);
  if ((await containerState(process.env, container)) !== "running") {
    return note(`${container} is not running: its databases were not asked before the change`);
  }
  const facts = await serverFacts(step, container);
  const wanted = await pgvectorOf(step.image);
  const same = step.pinned ? await withSameSql(step, facts, wanted) : [];
  const others = Object.entries(facts.pgvector).filter(([database]) => !same.includes(database));
  try {
    assertPgvector({ wanted, installed: Object.fromEntries(others), accept: step.accept });
  } catch (error) {
    if (!(error instanceof ExpectedError) || error.exitCode !== ExitCode.refused) throw error;
    throw refused(`${error.message}. ${await describeLoss(step.prefix, facts)}`, error);
  }
  if (step.protect && step.provenWithinHours > 0) await ensureProvenBackup(step, note);
  await keepPrevious(step, running, note);
  for (const database of same) {
    await askServer(container, step.superuser, database, setBack(wanted));
    note(`pgvector in "${database}" is called ${wanted} again: nothing but comments had changed`);
  }
}

/** The new image's own guard looks at the volume while the old server still serves it. */
async function tryOnVolume(step: ChangeStep, container: string): Promise<void> {
  const run = ["run", "--rm", "--network", "none", "--volumes-from", `${container}:ro`];
  const env = ["-e", `PGSTEAD_ACCEPT=${step.accept.join("\n")}`];
  const { code, stderr } = await docker(process.env, [...run, ...env, step.image, "check"]);
  if (code === 0) return;
  const said = /^pgstead: refused: (.*)$/m.exec(stderr)?.[1];
  if (!said) throw engineError(process.env, stderr);
  throw refused(`${said}. ${await atStake({ prefix: step.prefix })}`);
}

async function pgvectorOf(image: string): Promise<string> {
  const run = ["run", "--rm", "--network", "none", "--entrypoint", "pgstead-versions", image];
  const { code, stdout, stderr } = await docker(process.env, run);
  if (code !== 0) throw engineError(process.env, stderr);
  return JSON.parse(stdout).pgvector;
}

/** Going back: databases whose newer version has the same functions, so the older library serves them. */
async function withSameSql(step: ChangeStep, facts: ServerFacts, wanted: string) {
  const same: string[] = [];
  for (const [database, version] of Object.entries(facts.pgvector)) {
    if (!isOlderVersion(wanted, version)) continue;
    const sql = updateSql(wanted, version);
    const script = await askServer(`${step.prefix}-postgres`, step.superuser, database, sql);
    if (changesNothing(script)) same.push(database);
  }
  return same;
}

async function keepPrevious(step: ChangeStep, image: string, note: (line: string) => void) {
  const tag = previousTag(step.prefix);
  const { code, stderr } = await docker(process.env, ["tag", image, tag]);
  // The old container goes on until its image is safe: without it there is no way back.
  if (code !== 0) throw engineError(process.env, stderr);
  note(`the image that ran until now is kept as ${tag}: "pgstead undo" goes back to it`);
}
