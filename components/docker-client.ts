import { execFile } from "node:child_process";

/** Asks the engine through the docker client, which knows ssh and its own configuration. */
export function askDocker(args: string[], host?: string): Promise<string | undefined> {
  const env = { ...process.env, ...(host && { DOCKER_HOST: host }) };
  return new Promise((resolve, reject) => {
    execFile("docker", args, { env, timeout: 60_000 }, (error, stdout, stderr) => {
      if (!error) return resolve(stdout.trim());
      if (/no such/i.test(stderr)) return resolve(undefined);
      reject(new Error(`docker ${args[0]}: ${stderr.trim() || error.message}`));
    });
  });
}
