import { isAhead } from "../../../operate/backup/format/clock.ts";
import { ExitCode, refused } from "../../../operate/error.ts";
import { runInContainer } from "./ask-engine.ts";
import { inherit } from "./inherit.ts";

export interface ProvenBackup {
  id: string;
  /** The moment that a restore brings back. */
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

/** The newest backup that was restored and compared; "unknown" if the agent does not list its backups. */
export async function newestProvenIn(agent: string): Promise<ProvenBackup | "unknown" | undefined> {
  const list = ["exec", agent, "pgstead", "backup", "list", "--json"];
  const listing = parse((await runInContainer(process.env, list)).stdout);
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

/** Takes and verifies a backup if the newest proven one is too old; refuses if that fails. */
export async function ensureProvenBackup(
  step: { prefix: string; provenWithinHours: number },
  note: (line: string) => void,
): Promise<void> {
  const agent = `${step.prefix}-agent`;
  const limit = Date.now() - step.provenWithinHours * 3_600_000;
  const newest = await newestProvenIn(agent);
  const skip = "set postgres.provenWithinHours to 0 to go on without a backup";
  if (newest === "unknown") {
    throw refused(
      `a protected stack changes its image only after a proven backup, and ${agent} could not be asked for one; start it (docker start ${agent}), or ${skip}`,
    );
  }
  if (newest && Date.parse(newest.takenAt) >= limit) return;
  const hours = `${step.provenWithinHours} h`;
  note(`no backup of the last ${hours} is proven; taking one and verifying it by a restore`);
  for (const verb of [["now"], ["verify", "latest"]]) {
    // Stdout is the answer of this step, so the verb prints to stderr.
    const line = ["exec", agent, "sh", "-c", 'exec pgstead backup "$@" >&2', "sh", ...verb];
    const code = await inherit(process.env, line);
    if (code === ExitCode.fine) continue;
    throw refused(
      `"pgstead backup ${verb.join(" ")}" ended with exit code ${code}, so the image is not changed; correct what it reports, or ${skip}`,
    );
  }
}
