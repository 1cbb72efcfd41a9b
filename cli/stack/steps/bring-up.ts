import { ExitCode } from "../../../operate/error.ts";
import { type DockerStack, docker, imageOf, readDockerStack } from "../docker/docker-stack.ts";
import { inherit } from "../docker/inherit.ts";
import { type PulumiRun, runPulumi } from "../pulumi/run-pulumi.ts";

/** `pulumi up`; a server that runs on another image afterwards is asked the configured checks. */
export async function bringUp(
  run: PulumiRun,
  args: string[],
  note: (line: string) => void,
): Promise<ExitCode> {
  const stack = readDockerStack(run.root, run.stack);
  const before = stack && (await imageOf(stack.env, stack.postgres));
  const server = stack && (await containerId(stack));
  const code = await runPulumi(run, ["up", ...args]);
  if (stack && server && (await containerId(stack)) !== server) await tellOfStop(stack, note);
  if (code !== ExitCode.fine || !stack || !before) return code;
  if ((await imageOf(stack.env, stack.postgres)) === before) return code;
  note("another image serves the data now; its checks:");
  const checked = (await inherit(stack.env, ["exec", stack.agent, "pgstead", "check"])) as ExitCode;
  if (checked !== ExitCode.fine) note('"pgstead undo" goes back to the image before');
  return checked;
}

async function containerId({ env, postgres }: DockerStack): Promise<string> {
  return (await docker(env, ["container", "inspect", "--format", "{{.Id}}", postgres])).stdout;
}

/** From the log of the new server, which is the first to know how the old one ended. */
async function tellOfStop({ env, postgres }: DockerStack, note: (line: string) => void) {
  const { stdout, stderr } = await docker(env, ["logs", postgres]);
  if (!/was not properly shut down/.test(stdout + stderr)) return;
  note(
    "the server before this one was not shut down in order: it was killed, as after postgres.stopSeconds. The new one has recovered from its log, and nothing acknowledged is lost; a higher stopSeconds gives it more time",
  );
}
