import { execFileSync } from "node:child_process";
import { accessSync, constants, existsSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { isOlderVersion } from "../../../config/version-order.ts";

/** The version to acquire; package.json has the npm package `pulumi` in the same version. */
export const PULUMI_VERSION = "3.250.0";
/** The oldest CLI that has Stash, resource hooks and `options.refresh`. */
export const OLDEST_PULUMI = "3.220.0";

export interface PulumiCli {
  program: string;
  version: string;
  /** Where it came from; for people only. */
  source: string;
}

/** One folder for each version, shared by all checkouts of this user. */
export function cacheFolder(): string {
  const cache = process.env.XDG_CACHE_HOME || join(homedir(), ".cache");
  return join(cache, "pgstead", "pulumi", PULUMI_VERSION);
}

/** Where the npm package `pulumi` puts what it downloads. */
export function downloadFolder(): string {
  const home = process.env.PULUMI_HOME || join(homedir(), ".pulumi");
  return join(home, "versions", PULUMI_VERSION, "bin");
}

/** A CLI that is installed already; `note` gets the reason if one is too old. */
export function findPulumi(note: (line: string) => void = () => {}): PulumiCli | undefined {
  return onPath(note) ?? findAcquired();
}

function onPath(note: (line: string) => void): PulumiCli | undefined {
  const program = (process.env.PATH ?? "")
    .split(delimiter)
    .map((folder) => join(folder, "pulumi"))
    .find((file) => isExecutable(file) && !file.includes("node_modules"));
  if (!program) return undefined;
  const version = versionOf(program);
  if (version && !isOlderVersion(version, OLDEST_PULUMI))
    return { program, version, source: "on PATH" };
  note(
    `not used: ${program} has version ${version ?? "unknown"}; ${OLDEST_PULUMI} or newer is needed`,
  );
  return undefined;
}

export function findAcquired(): PulumiCli | undefined {
  const folder = [downloadFolder(), cacheFolder()].find((candidate) =>
    isExecutable(join(candidate, "pulumi")),
  );
  if (!folder) return undefined;
  return { program: join(folder, "pulumi"), version: PULUMI_VERSION, source: "acquired before" };
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return existsSync(file);
  } catch {
    return false;
  }
}

function versionOf(program: string): string | undefined {
  try {
    const env = { ...process.env, PULUMI_SKIP_UPDATE_CHECK: "true" };
    return execFileSync(program, ["version"], {
      encoding: "utf8",
      env,
      stdio: ["ignore", "pipe", "ignore"],
    })
      .trim()
      .replace(/^v/, "");
  } catch {
    return undefined;
  }
}
