import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { Writable } from "node:stream";
import { ExitCode, ExpectedError } from "../../../operate/error.ts";
import { type Stopped, stopSignal } from "../../../operate/stop.ts";
import { encodeFrame, readFrames } from "../../frames.ts";
import { type Answered, type Ended, errorFrom, type Request } from "../../request.ts";
import type { DockerStack } from "./docker-stack.ts";
import { packFolder } from "./tar.ts";

/**
 * Runs one half of a verb in the stack's agent: `docker exec AGENT pgstead answer`. Its stdin stays open
 * as long as this process lives: the agent sees the end of it if this side is gone, even by SIGKILL.
 */
export async function askAgent(
  stack: DockerStack,
  root: string,
  asked: Omit<Request, "migrations">,
  out: Writable,
): Promise<Ended> {
  const migrations = join(root, stack.migrations);
  const archive = packFolder(migrations);
  const child = spawn("docker", ["exec", "-i", stack.agent, "pgstead", "answer"], {
    env: stack.env,
    stdio: ["pipe", "pipe", "inherit"],
    // In a session of its own, so that Ctrl-C in the terminal does not end the client: it is passed on.
    detached: true,
  });
  const ended = once(child, "close") as Promise<[number | null]>;
  ended.catch(() => {});
  // The agent may end before it has read everything.
  child.stdin.on("error", () => {});
  child.stdin.write(encodeFrame("request", JSON.stringify({ ...asked, migrations })));
  child.stdin.write(encodeFrame("archive", archive));
  const passOn = () => child.stdin.write(encodeFrame("signal", (stopSignal.reason as Stopped).by));
  if (stopSignal.aborted) passOn();
  else stopSignal.addEventListener("abort", passOn, { once: true });
  try {
    for await (const { kind, payload } of readFrames(child.stdout)) {
      if (kind === "answer") return endedWith(JSON.parse(payload.toString()));
      if (!out.write(payload)) await once(out, "drain");
    }
    throw new NoAnswer(stack, (await ended)[0]);
  } finally {
    stopSignal.removeEventListener("abort", passOn);
    child.stdin.end();
    child.unref();
  }
}

/** The agent was killed, or is of a version that does not know the question. */
export class NoAnswer extends ExpectedError {
  constructor({ agent, stack }: DockerStack, code: number | null) {
    super(
      ExitCode.unreachable,
      `${agent} ended before it had answered (exit code ${code}); if it is of another version of pgstead, "pgstead up --stack ${stack}" replaces it`,
    );
  }
}

function endedWith(answered: Answered): Ended {
  if ("failed" in answered) throw errorFrom(answered.failed);
  return answered;
}
