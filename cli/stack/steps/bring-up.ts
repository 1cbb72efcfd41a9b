import { CHANGE_MS, runDocker } from "../../../docker/run-docker.ts";
import { ExitCode } from "../../../operate/error.ts";
import { findOnEngine } from "../docker/ask-engine.ts";
import { type DockerStack, imageOf, readDockerStack } from "../docker/docker-stack.ts";
import { inherit } from "../docker/inherit.ts";
import { type PulumiRun, runPulumi } from "../pulumi/run-pulumi.ts";

/** `pulumi up`; if the server runs on another image afterwards, the configured checks run. */
export async function bringUp(
  run: PulumiRun,
  args: string[],
  note: (line: string) => void,
): Promise<ExitCode> {
  const stack = readDockerStack(run.root, run.stack);
  const before = stack && (await imageOf(stack.env, stack.postgres));
  const server = stack && (await readContainerId(stack));
  const code = await runPulumi(run, ["up", ...args]);
  if (stack && server && (await readContainerId(stack)) !== server)
    await noteForcedStop(stack, note);
  if (code !== ExitCode.fine || !stack || !before) return code;
  if ((await imageOf(stack.env, stack.postgres)) === before) return code;
  note("another image serves the data now; its checks:");
  const checked = (await inherit(stack.env, ["exec", stack.agent, "pgstead", "check"])) as ExitCode;
  if (checked !== ExitCode.fine) note('"pgstead undo" goes back to the image before');
  return checked;
}

const readContainerId = ({ env, postgres }: DockerStack): Promise<string | undefined> =>
  findOnEngine(env, ["container", "inspect", "--format", "{{.Id}}", postgres]);

/** Only the log of the new server shows how the old one ended. */
async function noteForcedStop({ env, postgres }: DockerStack, note: (line: string) => void) {
  const logs = ["logs", postgres];
  const { stdout, stderr } = await runDocker(logs, { env, timeoutMs: CHANGE_MS });
  if (!/was not properly shut down/.test(stdout + stderr)) return;
  note(
    "the previous server was not shut down in order: it was killed, for example after postgres.stopSeconds. The new server has recovered from the WAL, and no committed row is lost; a higher stopSeconds gives a server more time to stop",
  );
}
