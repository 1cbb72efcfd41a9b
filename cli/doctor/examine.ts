import { spawnSync } from "node:child_process";
import { accessSync, constants, existsSync, statfsSync } from "node:fs";
import { join } from "node:path";
import { isOlderVersion } from "../../config/version-order.ts";
import { isPortFree } from "../../operate/embedded/port-holder.ts";
import { readSettings } from "../../operate/settings.ts";
import { readDockerStack } from "../stack/docker/docker-stack.ts";
import { backendUrl } from "../stack/pulumi/environment.ts";
import { findPulumi, PULUMI_VERSION } from "../stack/pulumi/find-pulumi.ts";
import { findBucket } from "./bucket-finding.ts";
import { findDocker } from "./docker-findings.ts";
import type { Finding } from "./finding.ts";

type Examination = (
  root: string,
  stack: string,
) => Finding | undefined | Promise<Finding | Finding[] | undefined>;

const OLDEST_NODE = "20.19.0";
const LOW_DISK_BYTES = 1024 ** 3;

/** One function for each subject. */
const examinations: Examination[] = [
  ...[findNode, findPulumiCli, findBackend, findFolder, findDisk],
  ...[findServer, findBucket, findPsql],
];

export async function examine(root: string, stack: string): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const examination of examinations) {
    findings.push(...[(await examination(root, stack)) ?? []].flat());
  }
  return findings;
}

function findNode(): Finding {
  const detail = `v${process.versions.node}`;
  if (!isOlderVersion(process.versions.node, OLDEST_NODE))
    return { name: "node", state: "ok", detail };
  return { name: "node", state: "missing", detail, fix: `install ${OLDEST_NODE} or newer` };
}

function findPulumiCli(): Finding {
  const reasons: string[] = [];
  const cli = findPulumi((line) => reasons.push(line));
  if (cli) {
    return { name: "pulumi", state: "ok", detail: `${cli.version}, ${cli.source}: ${cli.program}` };
  }
  const fix = `"pgstead up" installs v${PULUMI_VERSION}, or see https://www.pulumi.com/docs/install/`;
  return { name: "pulumi", state: "note", detail: reasons[0] ?? "not installed yet", fix };
}

function findBackend(root: string, stack: string): Finding {
  try {
    return { name: "state", state: "ok", detail: backendUrl(root, stack) };
  } catch (error) {
    return { name: "state", state: "missing", detail: (error as Error).message };
  }
}

function findFolder(root: string): Finding {
  const path = join(root, ".pgstead");
  try {
    accessSync(existsSync(path) ? path : root, constants.W_OK);
    return { name: "folder", state: "ok", detail: path };
  } catch {
    const fix = `make it writable for this user: ${path}`;
    return { name: "folder", state: "missing", detail: "not writable", fix };
  }
}

function findDisk(root: string): Finding {
  const { bavail, bsize } = statfsSync(root);
  const free = bavail * bsize;
  const detail = `${(free / 1024 ** 3).toFixed(1)} GiB free`;
  if (free > LOW_DISK_BYTES) return { name: "disk", state: "ok", detail };
  return { name: "disk", state: "missing", detail, fix: "free at least 1 GiB" };
}

async function findServer(root: string, stack: string): Promise<Finding | Finding[]> {
  const containers = readDockerStack(root, stack);
  if (containers) return findDocker(containers);
  const file = join(root, ".pgstead", stack, "settings.json");
  if (!existsSync(file)) {
    return {
      name: "server",
      state: "note",
      detail: `stack "${stack}" has not been brought up here`,
    };
  }
  const settings = readSettings(file);
  const { host, port } = settings.database;
  if (!settings.embedded) return { name: "server", state: "ok", detail: `${host}:${port}` };
  const { readServerState } = await import("../../operate/connect/embedded-state.ts");
  const state = readServerState(settings);
  if (state.running) {
    return { name: "server", state: "ok", detail: `process ${state.pid} on ${host}:${state.port}` };
  }
  if (await isPortFree(port)) {
    return {
      name: "server",
      state: "note",
      detail: "not running",
      fix: `pgstead up --stack ${stack}`,
    };
  }
  const { describePortHolder } = await import("../../operate/embedded/port-holder.ts");
  const detail = `not running, and port ${port} is taken by ${describePortHolder(port)}`;
  return {
    name: "server",
    state: "missing",
    detail,
    fix: "pulumi config set pgstead:port ANOTHER",
  };
}

function findPsql(): Finding {
  const found = spawnSync("psql", ["--version"], { encoding: "utf8" });
  if (found.status === 0) return { name: "psql", state: "ok", detail: found.stdout.trim() };
  const fix = "only `pgstead psql` needs it; install your system's PostgreSQL client";
  return { name: "psql", state: "note", detail: "not installed", fix };
}
