import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { ExitCode, mistake } from "../../../operate/error.ts";
import { readSettings } from "../../../operate/settings.ts";
import { type PulumiRun, runCaptured, runPulumi } from "../pulumi/run-pulumi.ts";
import { listStashes } from "../pulumi/stashes.ts";

/**
 * Removes from the state what belongs to the data, after the data is gone. Pulumi keeps it at each
 * `destroy`, because it is protected.
 */
export async function forgetData(run: PulumiRun): Promise<ExitCode> {
  const urns = await listStashes(run);
  if (urns.length === 0) return ExitCode.fine;
  const unprotect = ["state", "unprotect", ...urns, "--yes", "--stack", run.stack];
  const { code, stderr } = await runCaptured(run, unprotect);
  if (code !== 0) throw mistake(stderr.trim().replace(/^error: /, ""));
  return runPulumi(run, ["destroy", "--exclude-protected", "--yes", "--skip-preview"]);
}

type Note = (line: string) => void;

const stackFolder = (root: string, stack: string) => join(root, ".pgstead", stack);

/** `--delete-data` names the stack, so that a command from the shell's history deletes no other data. */
export function assertMeant(stack: string, named: string | undefined): void {
  if (named !== undefined && named !== stack) {
    throw mistake(
      `--delete-data names "${named}", but the stack is "${stack}"; nothing was touched`,
    );
  }
}

/** `pulumi destroy` does not stop the server, because Pulumi's state has only a record of it. */
export async function stopEmbedded(root: string, stack: string, note: Note): Promise<void> {
  const file = join(stackFolder(root, stack), "settings.json");
  if (!existsSync(file)) return;
  const settings = readSettings(file);
  if (!settings.embedded) return;
  const { stopServer } = await import("../../../operate/embedded/start-stop.ts");
  if (await stopServer(settings))
    note(`server stopped; its data stays in ${settings.embedded.folder}`);
}

export function deleteData(root: string, stack: string, note: Note): void {
  const folder = stackFolder(root, stack);
  rmSync(folder, { recursive: true, force: true });
  note(`deleted ${folder}`);
}
