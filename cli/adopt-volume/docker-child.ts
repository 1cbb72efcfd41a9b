import { spawn } from "node:child_process";

/** Starts a docker command whose streams are data; `errors` returns the end of its stderr. */
export function startDocker(env: NodeJS.ProcessEnv, args: string[]) {
  const child = spawn("docker", args, { env, stdio: "pipe" });
  let stderr = "";
  child.stderr.on("data", (data) => {
    stderr = `${stderr}${data}`.slice(-4000);
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  return { stdin: child.stdin, stdout: child.stdout, ended, errors: () => stderr.trim() };
}
