import { spawn } from "node:child_process";

/** A docker command whose streams are data; `said` is the end of what it complains of. */
export function dockerChild(env: NodeJS.ProcessEnv, args: string[]) {
  const child = spawn("docker", args, { env, stdio: "pipe" });
  let said = "";
  child.stderr.on("data", (data) => {
    said = `${said}${data}`.slice(-4000);
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  return { stdin: child.stdin, stdout: child.stdout, ended, said: () => said.trim() };
}
