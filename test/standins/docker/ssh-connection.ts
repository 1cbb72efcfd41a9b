import { spawn } from "node:child_process";
import { Duplex } from "node:stream";

/** Connects to the engine's socket on another machine through the docker client there. */
export function connectOverSsh(host: URL): Duplex {
  const target = host.username ? `${host.username}@${host.hostname}` : host.hostname;
  const port = host.port ? ["-p", host.port] : [];
  const child = spawn("ssh", [...port, "--", target, "docker", "system", "dial-stdio"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  // Reading and writing end separately: after ssh has exited, its last output must still be read.
  const connection = new Duplex({
    read: () => void child.stdout.resume(),
    write: (chunk, encoding, done) => void child.stdin.write(chunk, encoding, done),
    destroy: (error, done) => {
      child.kill();
      done(error);
    },
  });
  child.stdout.on("data", (chunk) => {
    if (!connection.push(chunk)) child.stdout.pause();
  });
  child.stdout.once("end", () => connection.push(null));
  child.stdin.on("error", () => {});
  child.once("error", (error) => connection.destroy(error));
  return connection;
}
