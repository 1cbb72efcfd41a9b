import { ExitCode } from "../../operate/error.ts";
import { imageOf, readDockerStack } from "./docker-stack.ts";
import { inherit } from "./inherit.ts";
import { type PulumiRun, runPulumi } from "./run-pulumi.ts";

/** `pulumi up`; a server that runs on another image afterwards is asked the configured checks. */
export async function bringUp(
  run: PulumiRun,
  args: string[],
  note: (line: string) => void,
): Promise<ExitCode> {
  const stack = readDockerStack(run.root, run.stack);
  const before = stack && (await imageOf(stack.env, stack.postgres));
  const code = await runPulumi(run, ["up", ...args]);
  if (code !== ExitCode.fine || !stack || !before) return code;
  if ((await imageOf(stack.env, stack.postgres)) === before) return code;
  note("another image serves the data now; its checks:");
  const checked = (await inherit(stack.env, ["exec", stack.agent, "pgstead", "check"])) as ExitCode;
  if (checked !== ExitCode.fine) note('"pgstead undo" goes back to the image before');
  return checked;
}
