import { mistake } from "../../../operate/error.ts";
import { type PulumiRun, runCaptured } from "./run-pulumi.ts";

const STASH = "pulumi:index:Stash";

/** The URNs of what the state remembers of the data: passwords, keys and facts of the cluster. */
export async function listStashes(run: PulumiRun): Promise<string[]> {
  const { code, stdout, stderr } = await runCaptured(run, [
    ...["stack", "export", "--stack", run.stack],
  ]);
  if (code !== 0) throw mistake(stderr.trim().replace(/^error: /, ""));
  const resources: { type: string; urn: string }[] = JSON.parse(stdout).deployment?.resources ?? [];
  return resources.filter(({ type }) => type === STASH).map(({ urn }) => urn);
}
