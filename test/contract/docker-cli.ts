import { execFileSync } from "node:child_process";

/** Runs the docker client, because the suite must not read the engine through the plugin. */
export function docker(...args: string[]): string {
  return execFileSync("docker", args, {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  }).trim();
}

// biome-ignore lint/suspicious/noExplicitAny: docker's inspect answer.
export function inspect(type: "container" | "volume" | "network" | "image", name: string): any {
  try {
    return JSON.parse(docker(type, "inspect", name))[0];
  } catch {
    return undefined;
  }
}

/** Removes what an earlier, killed run has left. */
export function sweep(prefix: string): void {
  const names = (args: string[]) =>
    docker(...args)
      .split("\n")
      .filter((name) => name.startsWith(prefix));
  for (const name of names(["ps", "-a", "--format", "{{.Names}}"])) docker("rm", "-f", "-v", name);
  for (const name of names(["network", "ls", "--format", "{{.Name}}"]))
    docker("network", "rm", name);
  for (const name of names(["volume", "ls", "-q"])) docker("volume", "rm", "-f", name);
}
