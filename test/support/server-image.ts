import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const checkout = join(import.meta.dirname, "..", "..");
const folder = join(checkout, "postgres");

/** Starts an engine and makes the base image where that has not been done. */
export function fixtureBase(major = "18"): string {
  const script = join(checkout, "test", "fixture", "base-image");
  return execFileSync(script, [major], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  }).trim();
}

/**
 * The server's image as our Dockerfile makes it, without Pulumi: its last stage on a base that has
 * pgvector, so that clients without BuildKit build it too.
 */
export function buildServerImage(base: string, tag: string): void {
  const dockerfile = readFileSync(join(folder, "Dockerfile.debian"), "utf8");
  const lastStage = dockerfile
    .slice(dockerfile.lastIndexOf("\nFROM "))
    .replace(/^\nFROM .*$/m, `FROM ${base}`);
  buildImage(tag, lastStage, folder);
}

export function buildImage(tag: string, dockerfile: string, context?: string): void {
  const from = context ? ["-f", "-", context] : ["-"];
  const built = spawnSync("docker", ["build", "-q", "-t", tag, ...from], {
    encoding: "utf8",
    input: dockerfile,
    env: { ...process.env, DOCKER_BUILDKIT: "0" },
  });
  if (built.status !== 0) throw new Error(built.stderr);
}
