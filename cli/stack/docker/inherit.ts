import { spawn } from "node:child_process";

/** Runs docker with this process's own terminal, or with `stdin`; returns its exit code. */
export function inherit(env: NodeJS.ProcessEnv, args: string[], stdin?: Buffer): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn("docker", args, {
      env,
      stdio: [stdin ? "pipe" : "inherit", "inherit", "inherit"],
    });
    // The other side may end without having read everything.
    child.stdin?.on("error", () => {});
    child.stdin?.end(stdin);
    // The terminal sends Ctrl-C to docker as well, so we wait for docker's end.
    const wait = () => {};
    process.on("SIGINT", wait);
    child.once("error", reject);
    child.once("close", (code) => {
      process.off("SIGINT", wait);
      resolve(code ?? 1);
    });
  });
}
