import { previewSteps } from "./preview-steps.ts";
import type { PulumiRun } from "./run-pulumi.ts";

/** What a preview would change, without the migration step, which runs on each `up`. */
export async function expectNoChanges(
  run: PulumiRun,
  args: string[],
): Promise<{ changes: { operation: string; urn: string }[] }> {
  const changes = (await previewSteps(run, args))
    .filter(({ op }) => op !== "same" && op !== "refresh" && op !== "read")
    .filter(({ urn }) => !isMigrationStep(urn))
    .map(({ op, urn }) => ({ operation: op, urn }));
  return { changes };
}

const isMigrationStep = (urn: string) => /::migrations-run$/.test(urn);
