import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { createWriteStream, renameSync, rmSync } from "node:fs";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { CHANGE_MS } from "../../../docker/run-docker.ts";
import { mistake, refused, unreachable } from "../../../operate/error.ts";
import { type Note, withProgress } from "../../../operate/progress.ts";
import { askEngine, findOnEngine } from "./ask-engine.ts";
import { type DockerStack, notRunning } from "./docker-stack.ts";

export interface SaveVolumeOptions {
  volume: string;
  out: string;
  /** Pause the containers that use the volume while it is read. */
  pause: boolean;
  note: Note;
  signal: AbortSignal;
}

export interface SavedVolume {
  volume: string;
  out: string;
  bytes: number;
  sha256: string;
  paused: string[];
}

/**
 * Writes a volume of the stack's engine to a tar file on this machine. A container without network
 * reads the volume and cannot write to it. Its users are paused: a file that changes under tar is torn.
 */
export async function saveVolume(
  stack: DockerStack,
  options: SaveVolumeOptions,
): Promise<SavedVolume> {
  const { volume, out, pause, note } = options;
  // `docker run` creates a missing volume: the tar file would be empty and look like a backup.
  if ((await findOnEngine(stack.env, ["volume", "inspect", volume])) === undefined) {
    throw mistake(`there is no volume "${volume}"; "docker volume ls" lists them`);
  }
  const users = await runningUsers(stack, volume);
  if (users.length > 0 && !pause) {
    throw refused(
      `volume "${volume}" is in use by ${users.join(", ")}: files that change while they are read are torn; stop the containers first, or pause them meanwhile with --pause`,
    );
  }
  const partial = `${out}.partial`;
  try {
    const sums = await whilePaused(stack, users, note, () => writeTar(stack, options, partial));
    renameSync(partial, out);
    return { volume, out, ...sums, paused: users };
  } finally {
    rmSync(partial, { force: true });
  }
}

async function runningUsers({ env }: DockerStack, volume: string): Promise<string[]> {
  const filters = ["--filter", `volume=${volume}`, "--filter", "status=running"];
  const names = await askEngine(env, ["ps", ...filters, "--format", "{{.Names}}"]);
  return names.split("\n").filter(Boolean);
}

async function whilePaused<T>(
  { env }: DockerStack,
  containers: string[],
  note: Note,
  use: () => Promise<T>,
): Promise<T> {
  if (containers.length === 0) return use();
  const unpause = `docker unpause ${containers.join(" ")}`;
  note(`pausing ${containers.join(", ")}; if this process is killed: ${unpause}`);
  try {
    await askEngine(env, ["pause", ...containers], CHANGE_MS);
    return await use();
  } finally {
    for (const container of containers) {
      await askEngine(env, ["unpause", container], CHANGE_MS).catch((error: Error) =>
        note(`${container} may still be paused (docker unpause ${container}): ${error.message}`),
      );
    }
  }
}

async function writeTar(
  stack: DockerStack,
  { volume, out, note, signal }: SaveVolumeOptions,
  file: string,
): Promise<{ bytes: number; sha256: string }> {
  const { env, agent } = stack;
  const inspect = ["container", "inspect", "--format", "{{.Image}}", agent];
  const image = await findOnEngine(env, inspect);
  if (!image) throw await notRunning(stack, agent);
  const compress = out.endsWith(".gz") ? ["--gzip"] : out.endsWith(".zst") ? ["--zstd"] : [];
  const child = spawn(
    "docker",
    [
      ...["run", "--rm", "--network", "none", "--read-only", "--user", "root"],
      ...["--entrypoint", "tar", "--volume", `${volume}:/volume:ro`, image],
      ...["--create", ...compress, "--numeric-owner", "--directory", "/volume", "."],
    ],
    { env, stdio: ["ignore", "pipe", "pipe"], signal },
  );
  let stderr = "";
  child.stderr.on("data", (data) => {
    stderr += data;
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  const hash = createHash("sha256");
  let bytes = 0;
  const sum = new Transform({
    transform(chunk, _encoding, done) {
      hash.update(chunk);
      bytes += chunk.length;
      done(null, chunk);
    },
  });
  const describeProgress = () => `${(bytes / 1e6).toFixed(0)} MB of volume ${volume}`;
  const [status] = await withProgress(note, describeProgress, () =>
    Promise.all([ended, pipeline(child.stdout, sum, createWriteStream(file, { mode: 0o600 }))]),
  );
  // 1 means "a file changed as we read it": that is no backup.
  if (status !== 0) throw unreachable(`tar failed with exit code ${status}: ${stderr.trim()}`);
  return { bytes, sha256: hash.digest("hex") };
}
