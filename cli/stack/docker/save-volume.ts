import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { createWriteStream, renameSync, rmSync } from "node:fs";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { mistake, refused, unreachable } from "../../../operate/error.ts";
import { type Note, withProgress } from "../../../operate/progress.ts";
import { type DockerStack, docker, engineError } from "./docker-stack.ts";

export interface SaveVolumeOptions {
  volume: string;
  out: string;
  /** Freeze the containers that use it meanwhile. */
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
 * A volume of the stack's engine as a tar file here. Read by a container without network that cannot
 * write to it; what uses the volume meanwhile stands still, for files that change under tar are torn.
 */
export async function saveVolume(
  stack: DockerStack,
  options: SaveVolumeOptions,
): Promise<SavedVolume> {
  const { volume, out, pause, note } = options;
  // A name that does not exist would be made, and an empty archive called a backup.
  const { code } = await docker(stack.env, ["volume", "inspect", volume]);
  if (code !== 0) throw mistake(`there is no volume "${volume}"; "docker volume ls" lists them`);
  const users = await runningUsers(stack, volume);
  if (users.length > 0 && !pause) {
    throw refused(
      `volume "${volume}" is in use by ${users.join(", ")}: files that change while they are read are torn; stop them first, or freeze them meanwhile with --pause`,
    );
  }
  const partial = `${out}.partial`;
  try {
    const sums = await whilePaused(stack, users, note, () => readInto(stack, options, partial));
    renameSync(partial, out);
    return { volume, out, ...sums, paused: users };
  } finally {
    rmSync(partial, { force: true });
  }
}

async function runningUsers({ env }: DockerStack, volume: string): Promise<string[]> {
  const filters = ["--filter", `volume=${volume}`, "--filter", "status=running"];
  const { code, stdout, stderr } = await docker(env, ["ps", ...filters, "--format", "{{.Names}}"]);
  if (code !== 0) throw engineError(env, stderr);
  return stdout.split("\n").filter(Boolean);
}

async function whilePaused<T>(
  { env }: DockerStack,
  containers: string[],
  note: Note,
  use: () => Promise<T>,
): Promise<T> {
  if (containers.length === 0) return use();
  note(
    `freezing ${containers.join(", ")}; if this is killed: docker unpause ${containers.join(" ")}`,
  );
  try {
    const { code, stderr } = await docker(env, ["pause", ...containers]);
    if (code !== 0) throw unreachable(`cannot freeze: ${stderr.trim()}`);
    return await use();
  } finally {
    for (const container of containers) await docker(env, ["unpause", container]);
  }
}

async function readInto(
  stack: DockerStack,
  { volume, out, note, signal }: SaveVolumeOptions,
  file: string,
): Promise<{ bytes: number; sha256: string }> {
  const { env, agent } = stack;
  const {
    code,
    stdout: image,
    stderr,
  } = await docker(env, ["inspect", "--format", "{{.Image}}", agent]);
  if (code !== 0) throw engineError(env, stderr);
  const how = out.endsWith(".gz") ? ["--gzip"] : out.endsWith(".zst") ? ["--zstd"] : [];
  const child = spawn(
    "docker",
    [
      ...[
        "run",
        "--rm",
        "--network",
        "none",
        "--read-only",
        "--user",
        "root",
        "--entrypoint",
        "tar",
      ],
      ...["--volume", `${volume}:/volume:ro`, image.trim()],
      ...["--create", ...how, "--numeric-owner", "--directory", "/volume", "."],
    ],
    { env, stdio: ["ignore", "pipe", "pipe"], signal },
  );
  let said = "";
  child.stderr.on("data", (data) => {
    said += data;
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
  const told = () => `${(bytes / 1e6).toFixed(0)} MB of volume ${volume}`;
  const [status] = await withProgress(note, told, () =>
    Promise.all([ended, pipeline(child.stdout, sum, createWriteStream(file, { mode: 0o600 }))]),
  );
  // 1 is "a file changed as we read it": no backup.
  if (status !== 0) throw unreachable(`tar failed with exit code ${status}: ${said.trim()}`);
  return { bytes, sha256: hash.digest("hex") };
}
