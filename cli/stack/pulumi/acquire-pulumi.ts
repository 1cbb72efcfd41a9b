import { spawn, spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { mistake } from "../../../operate/error.ts";
import { LANGUAGE_HOST_FOLDER, packageRoot } from "../../package-root.ts";
import {
  cacheFolder,
  findAcquired,
  findPulumi,
  PULUMI_VERSION,
  type PulumiCli,
} from "./find-pulumi.ts";

type Note = (line: string) => void;

/** Tries in this order: PATH, an earlier acquisition, the official download, a build from source. */
export async function acquirePulumi(note: Note): Promise<PulumiCli> {
  const found = findPulumi(note);
  if (found) return found;
  const reasons: string[] = [];
  const acquired = (await download(note, reasons)) ?? (await build(note, reasons));
  if (acquired) return acquired;
  throw mistake(
    `no Pulumi CLI could be installed:\n${reasons.map((reason) => `  - ${reason}`).join("\n")}\ndo one of these:\n  1. install it: https://www.pulumi.com/docs/install/\n  2. let this machine reach get.pulumi.com, and run this again\n  3. install Go (https://go.dev/dl/) and let it reach a Go module proxy, and run this again`,
  );
}

async function download(note: Note, reasons: string[]): Promise<PulumiCli | undefined> {
  note(`no Pulumi CLI here; downloading the official v${PULUMI_VERSION}`);
  const script = createRequire(join(packageRoot, "package.json")).resolve("pulumi/run.js");
  const { code, stderr } = await run(process.execPath, [script, "version"], packageRoot, {
    PULUMI_VERSION,
  });
  const cli = code === 0 ? findAcquired() : undefined;
  if (cli) return { ...cli, source: "the official download" };
  const reason = `official download: ${lastLine(stderr)}`;
  note(reason);
  reasons.push(reason);
  return undefined;
}

async function build(note: Note, reasons: string[]): Promise<PulumiCli | undefined> {
  const go = spawnSync("go", ["version"], { encoding: "utf8" });
  if (go.status !== 0) {
    reasons.push("build from source: Go is not installed");
    return undefined;
  }
  note(
    `building Pulumi v${PULUMI_VERSION} from source with ${go.stdout.trim()}; takes some minutes, once`,
  );
  const folder = cacheFolder();
  mkdirSync(dirname(folder), { recursive: true });
  // Built in another folder and renamed, so that a killed build leaves nothing that looks complete.
  const partial = mkdtempSync(`${folder}.partial-`);
  try {
    const code = await compile(join(packageRoot, "tools", "pulumi"), join(partial, "pulumi"), note);
    if (code !== 0) {
      reasons.push(`build from source: go ended with exit code ${code}; its last lines are above`);
      return undefined;
    }
    putLanguageHostBeside(partial);
    rmSync(folder, { recursive: true, force: true });
    renameSync(partial, folder);
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
  return { program: join(folder, "pulumi"), version: PULUMI_VERSION, source: "built from source" };
}

async function compile(module: string, output: string, note: Note): Promise<number | null> {
  const flags = `-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v${PULUMI_VERSION}`;
  const args = ["build", "-v", "-ldflags", flags, "-o", output, PULUMI_PACKAGE];
  let compiled = 0;
  let last = "";
  const started = Date.now();
  const progress = setInterval(() => {
    const seconds = Math.round((Date.now() - started) / 1000);
    note(`  ${seconds} s: ${compiled} packages, now ${last}`);
  }, 10_000);
  const { code, stderr } = await run("go", args, module, {}, (lines) => {
    compiled += lines.length;
    last = lines.at(-1) ?? last;
  });
  clearInterval(progress);
  if (code !== 0) note(stderr.split("\n").slice(-10).join("\n"));
  return code;
}

const PULUMI_PACKAGE = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi";
const LANGUAGE_HOST = ["pulumi-language-nodejs", "host.mjs"];

/** Pulumi looks for language hosts in its own folder; its Go source has none for Node. */
function putLanguageHostBeside(folder: string): void {
  for (const file of LANGUAGE_HOST) {
    // Renamed, because another `up` may run the file now (a direct copy fails: "text file is busy").
    const temporary = join(folder, `${file}.${process.pid}`);
    copyFileSync(join(LANGUAGE_HOST_FOLDER, file), temporary);
    renameSync(temporary, join(folder, file));
  }
}

/** All checkouts share the copy in the cache, so each run updates it. */
export function refreshLanguageHost(cli: PulumiCli): void {
  const folder = dirname(cli.program);
  if (folder === cacheFolder()) putLanguageHostBeside(folder);
}

function run(
  program: string,
  args: string[],
  cwd: string,
  env: Record<string, string>,
  onLines: (lines: string[]) => void = () => {},
): Promise<{ code: number | null; stderr: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ["ignore", "ignore", "pipe"],
    });
    let stderr = "";
    child.stderr.on("data", (data: Buffer) => {
      stderr += data;
      onLines(data.toString().split("\n").filter(Boolean));
    });
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, stderr }));
  });
}

const lastLine = (text: string) => text.trim().split("\n").at(-1) ?? "";
