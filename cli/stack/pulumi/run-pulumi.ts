import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ExitCode, mistake } from "../../../operate/error.ts";
import { readProjectName } from "../../root.ts";
import { assertEngineAnswers } from "../docker/ask-engine.ts";
import { readDockerStack } from "../docker/docker-stack.ts";
import { readStackFile } from "../stack-file.ts";
import { acquirePulumi, refreshLanguageHost } from "./acquire-pulumi.ts";
import { pulumiEnvironment } from "./environment.ts";
import { clearStaleLocks, stackExists } from "./state-folder.ts";

export interface PulumiRun {
  program: string;
  env: NodeJS.ProcessEnv;
  root: string;
  stack: string;
}

/** Prepares a Pulumi command: finds the CLI, sets its environment, and creates a missing stack. */
export async function preparePulumi(
  root: string,
  stack: string,
  note: (line: string) => void,
): Promise<PulumiRun> {
  readStackFile(root, stack);
  const cli = await acquirePulumi(note);
  refreshLanguageHost(cli);
  const env = pulumiEnvironment(root, stack, cli.program);
  const run = { program: cli.program, env, root, stack };
  note(`Pulumi ${cli.version}, ${cli.source}`);
  const [backend, project] = [env.PULUMI_BACKEND_URL as string, readProjectName(root)];
  clearStaleLocks(backend, project, stack, note);
  if (!stackExists(backend, project, stack)) await initStack(run);
  return run;
}

/** The same for a command that needs the stack's engine; fails if the engine is out of reach. */
export async function prepareDeployment(
  root: string,
  stack: string,
  note: (line: string) => void,
): Promise<PulumiRun> {
  const containers = readDockerStack(root, stack);
  if (containers) await assertEngineAnswers(containers);
  return preparePulumi(root, stack, note);
}

async function initStack(run: PulumiRun): Promise<void> {
  const { code, stderr } = await runCaptured(run, ["stack", "init", run.stack, "--no-select"]);
  if (code === 0 || /already exists/.test(stderr)) return;
  throw mistake(`could not create stack "${run.stack}": ${stderr.trim().replace(/^error: /, "")}`);
}

/**
 * Runs Pulumi with this terminal, for its preview, question and progress. If a step of ours failed, the
 * exit code is the step's; Pulumi itself ends with 255 whatever failed.
 */
export async function runPulumi(run: PulumiRun, args: string[]): Promise<ExitCode> {
  const scratch = mkdtempSync(join(tmpdir(), "pgstead-"));
  const exitCodeFile = join(scratch, "exit-code");
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      const child = spawn(run.program, [...args, "--stack", run.stack], {
        cwd: run.root,
        env: { ...run.env, PGSTEAD_EXIT_CODE_FILE: exitCodeFile },
        stdio: "inherit",
      });
      // The terminal sends Ctrl-C to Pulumi, too. Pulumi shuts down in order, and we wait for it.
      const wait = () => {};
      const stop = () => child.kill("SIGINT");
      process.on("SIGINT", wait).on("SIGTERM", stop);
      child.once("error", reject);
      child.once("close", (ended) => {
        process.off("SIGINT", wait).off("SIGTERM", stop);
        resolve(ended);
      });
    });
    if (code === 0) return 0;
    return existsSync(exitCodeFile) ? (Number(readFileSync(exitCodeFile, "utf8")) as ExitCode) : 1;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Runs Pulumi and collects its output. */
export function runCaptured(
  run: PulumiRun,
  args: string[],
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(run.program, args, {
      cwd: run.root,
      env: run.env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let stdout = "";
    let stderr = "";
    child.stdout.on("data", (data) => {
      stdout += data;
    });
    child.stderr.on("data", (data) => {
      stderr += data;
    });
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, stdout, stderr }));
  });
}
