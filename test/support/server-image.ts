import { execFileSync, spawnSync } from "node:child_process";
import { join } from "node:path";

const checkout = join(import.meta.dirname, "..", "..");
const folder = join(checkout, "postgres");

/** Starts an engine and builds the base image, unless they exist. */
export const fixtureBase = (major = "18"): string => tagFrom("base-image", major);

/** An image of PostgreSQL 16 with pgvector, as in old compose files. */
export const fixtureImage16 = (): string => tagFrom("image-16");

function tagFrom(name: string, ...args: string[]): string {
  const script = join(checkout, "test", "fixture", name);
  const stdio: ["ignore", "pipe", "inherit"] = ["ignore", "pipe", "inherit"];
  return execFileSync(script, args, { encoding: "utf8", stdio }).trim();
}

/** Builds the server's image from our Dockerfile, without Pulumi and without BuildKit. */
export function buildServerImage(base: string, tag: string): void {
  const args = [`BASE_IMAGE=${base}`, "PGVECTOR_FROM=package"].flatMap((arg) => [
    "--build-arg",
    arg,
  ]);
  build(["-t", tag, "-f", join(folder, "Dockerfile.debian"), ...args, folder]);
}

export const buildImage = (tag: string, dockerfile: string): void =>
  build(["-t", tag, "-"], dockerfile);

function build(args: string[], input = ""): void {
  const env = { ...process.env, DOCKER_BUILDKIT: "0" };
  const built = spawnSync("docker", ["build", "-q", ...args], { encoding: "utf8", input, env });
  if (built.status !== 0) throw new Error(built.stderr);
}
