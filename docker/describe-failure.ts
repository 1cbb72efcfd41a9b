import type { DockerAnswer } from "./run-docker.ts";

/** For people: why the engine gave no usable answer, and what to do about it. */
export function describeFailure(
  { kind, cause, code, reason }: DockerAnswer,
  host?: string,
): string {
  const engine = `the Docker engine${host ? ` at ${host}` : ""}`;
  if (kind === "failed") return `a program in a container ended with exit code ${code}: ${reason}`;
  if (kind !== "unreachable") return `${engine} refused: ${reason}`;
  switch (cause) {
    case "no client":
      return `${engine} is out of reach: there is no docker client here; install it: https://docs.docker.com/engine/install/`;
    case "no permission":
      return `this user may not use ${engine}; add the user to the group "docker" and log in again`;
    case "nothing listens":
      return `${engine} is out of reach: nothing answers there; start it (${reason})`;
    default:
      return `${engine} is out of reach: ${reason}`;
  }
}
