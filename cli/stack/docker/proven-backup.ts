import { isAhead } from "../../../operate/backup/format/clock.ts";
import { ExitCode, refused } from "../../../operate/error.ts";
import { docker } from "./docker-stack.ts";
import { inherit } from "./inherit.ts";

export interface ProvenBackup {
  id: string;
  /** The moment that it brings back. */
  takenAt: string;
}

interface Proof {
  id: string;
  state: string;
  restorableTo: string;
}

interface Listing {
  backups: { proof?: Proof | null; bucketProof?: Proof | null }[];
}

/** The newest backup that has been restored and compared, as the agent knows it. */
export async function newestProvenIn(agent: string): Promise<ProvenBackup | "unknown" | undefined> {
  const { stdout } = await docker(process.env, [
    "exec",
    agent,
    "pgstead",
    "backup",
    "list",
    "--json",
  ]);
  const listing = parse(stdout);
  if (!listing?.backups) return "unknown";
  const proofs = listing.backups.flatMap(({ proof, bucketProof }) => [proof, bucketProof]);
  const newest = proofs
    .filter((proof) => proof?.state === "proven" && !isAhead(proof.restorableTo))
    .sort((a, b) => (b as Proof).restorableTo.localeCompare((a as Proof).restorableTo))[0];
  return newest ? { id: newest.id, takenAt: newest.restorableTo } : undefined;
}

function parse(json: string): Listing | undefined {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

/** Takes and verifies one where the newest is older than the limit; refuses where that fails. */
export async function ensureProvenBackup(
  step: { prefix: string; provenWithinHours: number },
  note: (line: string) => void,
): Promise<void> {
  const agent = `${step.prefix}-agent`;
  const limit = Date.now() - step.provenWithinHours * 3_600_000;
  const newest = await newestProvenIn(agent);
  const without = "postgres.provenWithinHours: 0 goes on without one";
  if (newest === "unknown") {
    throw refused(
      `a protected stack changes its image only after a proven backup, and ${agent} could not be asked for one; start it (docker start ${agent}), or ${without}`,
    );
  }
  if (newest && Date.parse(newest.takenAt) >= limit) return;
  const hours = `${step.provenWithinHours} h`;
  note(`no backup of the last ${hours} has been proven; taking one and restoring it for trial`);
  for (const verb of [["now"], ["verify", "latest"]]) {
    // What it prints belongs on stderr: stdout is this step's answer.
    const line = ["exec", agent, "sh", "-c", 'exec pgstead backup "$@" >&2', "sh", ...verb];
    const code = await inherit(process.env, line);
    if (code === ExitCode.fine) continue;
    throw refused(
      `"pgstead backup ${verb.join(" ")}" ended with ${code}, so the image stays as it is; mend that, or ${without}`,
    );
  }
}
