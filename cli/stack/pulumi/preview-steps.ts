import { mistake } from "../../../operate/error.ts";
import { type PulumiRun, runCaptured } from "./run-pulumi.ts";

export interface PreviewStep {
  op: string;
  urn: string;
  newState?: { inputs?: Record<string, unknown> };
}

interface Preview {
  steps?: PreviewStep[];
  diagnostics?: { severity: string; message: string }[];
}

/** The steps of a preview, with their inputs. */
export async function previewSteps(run: PulumiRun, args: string[]): Promise<PreviewStep[]> {
  const line = ["preview", "--json", "--stack", run.stack, ...args];
  const { code, stdout, stderr } = await runCaptured(run, line);
  const preview = parse(stdout);
  if (code === 0 && preview) return preview.steps ?? [];
  const error = preview?.diagnostics?.find(({ severity }) => severity === "error");
  throw mistake(`the preview failed:\n${error?.message.trim() ?? stderr.trim()}`);
}

function parse(stdout: string): Preview | undefined {
  try {
    return JSON.parse(stdout);
  } catch {
    return undefined;
  }
}
