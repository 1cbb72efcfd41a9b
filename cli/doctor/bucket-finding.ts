import type { ExpectedError } from "../../operate/error.ts";
import { readProjectName } from "../root.ts";
import { readDockerStack } from "../stack/docker/docker-stack.ts";
import { pulumiEnvironment } from "../stack/pulumi/environment.ts";
import { findPulumi } from "../stack/pulumi/find-pulumi.ts";
import { runCaptured } from "../stack/pulumi/run-pulumi.ts";
import { stackExists } from "../stack/pulumi/state-folder.ts";
import { readStackFile } from "../stack/stack-file.ts";
import type { Finding } from "./finding.ts";

const name = "bucket";

/** Whether the bucket is still as the last `up` left it: the provider asks the service. */
export async function findBucket(root: string, stack: string): Promise<Finding | undefined> {
  const declared = readDockerStack(root, stack);
  if (!declared) return undefined;
  if (!readStackFile(root, stack).config?.["pgstead:bucket"])
    return describeNoBucket(declared.isProtected);
  try {
    return await compareWithState(root, stack);
  } catch (error) {
    // The state cannot be read without a backend and a passphrase; "state" is a finding of its own.
    if ((error as ExpectedError).exitCode === undefined) throw error;
    return { name, state: "note", detail: `not looked at: ${(error as Error).message}` };
  }
}

function describeNoBucket(isProtected: boolean): Finding {
  const detail = "none; all backups are on the machine of the database";
  if (!isProtected) return { name, state: "ok", detail };
  return { name, state: "note", detail, fix: `set pgstead:bucket; "{}" makes one` };
}

async function compareWithState(root: string, stack: string): Promise<Finding> {
  const cli = findPulumi(() => {});
  if (!cli) return { name, state: "note", detail: "not looked at without the Pulumi CLI" };
  const env = pulumiEnvironment(root, stack, cli.program);
  if (!stackExists(env.PULUMI_BACKEND_URL as string, readProjectName(root), stack)) {
    return { name, state: "note", detail: `stack "${stack}" has not been brought up` };
  }
  const target = `urn:pulumi:${stack}::*::pgstead:index:BackupBucket$**`;
  const { code, stdout, stderr } = await runCaptured({ program: cli.program, env, root, stack }, [
    ...["refresh", "--preview-only", "--json", "--stack", stack, "--target", target],
  ]);
  const answer = parse(stdout);
  if (code !== 0 || !answer.steps) {
    const detail = `cannot be looked at: ${firstError(answer) ?? stderr.trim().split("\n").at(-1)}`;
    return { name, state: "missing", detail, fix: "see docs/bucket.md, What goes wrong" };
  }
  const changes = answer.steps.filter(({ op }) => op !== "refresh" && op !== "same");
  if (changes.length === 0) return { name, state: "ok", detail: "as the last up left it" };
  return {
    name,
    state: "missing",
    detail: `changed since the last up: ${changes.map(describe).join(", ")}`,
    fix: `"pgstead preview --diff --stack ${stack}" shows it, "pgstead up" puts it back`,
  };
}

interface Answer {
  steps?: { op: string; urn: string; diffReasons?: string[] }[];
  diagnostics?: { severity: string; message: string }[];
}

function parse(stdout: string): Answer {
  try {
    return JSON.parse(stdout);
  } catch {
    return {};
  }
}

const firstError = ({ diagnostics }: Answer) =>
  diagnostics
    ?.find(({ severity }) => severity === "error")
    ?.message.trim()
    .split("\n")[0];

/** `backups-lifecycle (rules)`, as the preview names it. */
function describe({ op, urn, diffReasons = [] }: NonNullable<Answer["steps"]>[number]): string {
  const resource = urn.split("::").at(-1);
  return `${resource} (${op === "delete" ? "gone" : diffReasons.join(", ")})`;
}
