import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LOGIN_ROLES, type LoginRole } from "../../../config/choices.ts";
import { CHANGE_MS } from "../../../docker/run-docker.ts";
import { type ExitCode, mistake, refused, unreachable } from "../../../operate/error.ts";
import { readProjectName } from "../../root.ts";
import { askEngine, findOnEngine, runInContainer } from "../docker/ask-engine.ts";
import type { DockerStack } from "../docker/docker-stack.ts";
import type { PulumiRun } from "../pulumi/run-pulumi.ts";
import { listStashes } from "../pulumi/stashes.ts";
import { bringUp } from "./bring-up.ts";

type Note = (line: string) => void;

/** What belongs to the data and was in the lost state; the program's `RecoveredKeys`. */
interface RecoveredKeys {
  passwords?: Record<LoginRole, string>;
  sealKey?: string;
}

/** What the engine still has of a stack that the state does not know. */
export interface Remains {
  volume: string;
  /** Containers of the stack, which are replaced. */
  containers: string[];
  /** Whether passwords and seal key are there. */
  hasKeys: boolean;
}

interface Found extends Remains {
  keys: RecoveredKeys;
}

/** Fails where there is nothing to recover, or where it would take something away from somebody. */
export async function findRemains(stack: DockerStack, run: PulumiRun): Promise<Found> {
  const volume = `${stack.stack}-data`;
  if ((await listStashes(run)).length > 0) {
    throw mistake(
      `the state knows stack "${stack.stack}": there is nothing to recover; run "pgstead up --stack ${stack.stack}"`,
    );
  }
  const project = readProjectName(run.root);
  const format = '{{index .Labels "pgstead.project"}}/{{index .Labels "pgstead.stack"}}';
  const inspect = ["volume", "inspect", "--format", format, volume];
  const owner = await findOnEngine(stack.env, inspect);
  if (owner !== `${project}/${stack.stack}`) {
    const problem = owner === undefined ? "does not exist" : "does not belong to this stack";
    throw mistake(`volume "${volume}" ${problem}, so there is no data to recover`);
  }
  const containers = await listContainers(stack, project);
  await assertNobodyElse(stack, containers);
  const keys = await readKeys(stack);
  return { volume, containers, hasKeys: keys.passwords !== undefined, keys };
}

async function listContainers({ env, stack }: DockerStack, project: string): Promise<string[]> {
  const labels = [`pgstead.project=${project}`, `pgstead.stack=${stack}`];
  const filters = labels.flatMap((label) => ["--filter", `label=${label}`]);
  const filter = [...filters, "--format", "{{.Names}}"];
  return lines(await askEngine(env, ["ps", "--all", ...filter]));
}

/** Docker does not remove a network that an application uses, so the new `up` would fail. */
async function assertNobodyElse({ env, stack }: DockerStack, own: string[]): Promise<void> {
  const network = `${stack}-network`;
  const format = "{{range .Containers}}{{.Name}}\n{{end}}";
  const connected = await findOnEngine(env, ["network", "inspect", "--format", format, network]);
  const others = lines(connected ?? "").filter((name) => !own.includes(name));
  if (others.length === 0) return;
  const commands = others.map((name) => `docker network disconnect ${network} ${name}`).join("; ");
  throw refused(
    `network "${network}" is made again, and ${others.join(", ")} would lose it; disconnect first, and connect again afterwards: ${commands}`,
  );
}

/**
 * `down` deletes the volume of the keys, so it may be missing. One that cannot be read is an error: new keys
 * would replace those in it.
 */
async function readKeys({ env, stack }: DockerStack): Promise<RecoveredKeys> {
  const volume = `${stack}-files`;
  if ((await findOnEngine(env, ["volume", "inspect", volume])) === undefined) return {};
  const [image] = lines(await askEngine(env, ["images", "-q", `${stack}-postgres`]));
  if (!image) {
    throw unreadable(
      volume,
      `no image "${stack}-postgres" is on the engine; docker load brings it`,
    );
  }
  const files = [...LOGIN_ROLES.map((role) => `passwords/${role}`), "seal-key"];
  const read = `cd /files && for file in ${files.join(" ")}; do cat $file && printf '\\0' || exit; done`;
  const mount = ["--network", "none", "--volume", `${volume}:/files:ro`, "--entrypoint", "sh"];
  const answer = await runInContainer(env, ["run", "--rm", ...mount, image, "-c", read]);
  if (answer.kind !== "found") throw unreadable(volume, answer.reason);
  const texts = answer.stdout.split("\0");
  const passwords = Object.fromEntries(LOGIN_ROLES.map((role, at) => [role, texts[at]]));
  return {
    passwords: passwords as Record<LoginRole, string>,
    sealKey: texts[LOGIN_ROLES.length] as string,
  };
}

const unreadable = (volume: string, reason: string) =>
  unreachable(
    `volume "${volume}" has the passwords and the seal key, and could not be read: ${reason}; to go on with new ones, remove it (docker volume rm ${volume})`,
  );

const lines = (text: string) => text.split("\n").filter(Boolean);

/** Removes the old containers, whose data is in volumes, and runs `up` with the old keys. */
export async function recover(
  stack: DockerStack,
  run: PulumiRun,
  { containers, keys }: Found,
  note: Note,
): Promise<ExitCode> {
  if (containers.length > 0) {
    note(`stopping and removing ${containers.join(", ")}; the data stays in its volumes`);
    await askEngine(stack.env, ["stop", "--time", "120", ...containers], 200_000);
    await askEngine(stack.env, ["rm", "--volumes", ...containers], CHANGE_MS);
  }
  const folder = mkdtempSync(join(tmpdir(), "pgstead-recover-"));
  try {
    const file = join(folder, "keys.json");
    writeFileSync(file, JSON.stringify(keys), { mode: 0o600 });
    const env = { ...run.env, PGSTEAD_RECOVERED_KEYS: file };
    return await bringUp({ ...run, env }, ["--yes", "--skip-preview"], note);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
