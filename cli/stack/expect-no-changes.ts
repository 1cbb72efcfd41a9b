import { mistake } from "../../operate/error.ts";
import { captured, type PulumiRun } from "./run-pulumi.ts";

interface Step {
  op: string;
  urn: string;
}

/** What a preview would change, without the step that runs on each `up` by design. */
export async function expectNoChanges(
  run: PulumiRun,
  args: string[],
): Promise<{ changes: { operation: string; urn: string }[] }> {
  const { code, stdout, stderr } = await captured(run, [
    "preview",
    "--json",
    "--stack",
    run.stack,
    ...args,
  ]);
  const steps = readSteps(stdout);
  if (code !== 0 || !steps)
    throw mistake(`the preview failed:\n${firstError(stdout) ?? stderr.trim()}`);
  const changes = steps
    .filter(({ op }) => op !== "same" && op !== "refresh" && op !== "read")
    .filter(({ urn }) => !isMigrationStep(urn))
    .map(({ op, urn }) => ({ operation: op, urn }));
  return { changes };
}

const isMigrationStep = (urn: string) => /::(migrations-run|pgstead-migrate)$/.test(urn);

function readSteps(stdout: string): Step[] | undefined {
  try {
    return JSON.parse(stdout).steps ?? [];
  } catch {
    return undefined;
  }
}

function firstError(stdout: string): string | undefined {
  try {
    const { diagnostics } = JSON.parse(stdout) as {
      diagnostics?: { severity: string; message: string }[];
    };
    return diagnostics?.find(({ severity }) => severity === "error")?.message.trim();
  } catch {
    return undefined;
  }
}
