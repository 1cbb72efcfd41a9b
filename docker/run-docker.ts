import { execFile } from "node:child_process";

/** Limit of a question that the engine answers from memory (S35). */
export const LOOK_MS = 10_000;
/** Limit of a command that changes something, or that runs a program in a container. */
export const CHANGE_MS = 60_000;
/** Time to end after SIGTERM; then SIGKILL. */
const GRACE_MS = 2_000;

/** What the docker client has left when it ends. */
export interface DockerExit {
  /** Exit code; a name such as ENOENT where the client did not start; null after a signal. */
  code: number | string | null;
  stdout: string;
  stderr: string;
  /** The limit that ended the client. */
  lateAfterMs?: number;
}

export interface DockerAnswer extends DockerExit {
  kind:
    | "found"
    /** The engine itself says that there is no such container, image, volume or network. */
    | "not found"
    /** The engine answers with another error. */
    | "refused"
    /** No answer of an engine: nothing is known about what was asked. */
    | "unreachable"
    /** The program in the container ended with this code; only `exec` and `run` answer so. */
    | "failed";
  /** Of `unreachable`, where there is advice for it. */
  cause?: "no client" | "no permission" | "nothing listens";
  /** The decisive line of stderr; empty when the answer is `found`. */
  reason: string;
}

export interface DockerOptions {
  env?: NodeJS.ProcessEnv;
  /** @default LOOK_MS */
  timeoutMs?: number;
}

/** Runs the docker client, which knows ssh and its own configuration. Never rejects. */
export async function runDocker(
  args: string[],
  { env = process.env, timeoutMs = LOOK_MS }: DockerOptions = {},
): Promise<DockerAnswer> {
  return classifyExit(args, await runClient(args, env, timeoutMs));
}

function runClient(args: string[], env: NodeJS.ProcessEnv, timeoutMs: number): Promise<DockerExit> {
  return new Promise((resolve) => {
    let isLate = false;
    const child = execFile("docker", args, { env, maxBuffer: 2 ** 26 }, (error, stdout, stderr) => {
      for (const timer of timers) clearTimeout(timer);
      resolve({
        code: error ? (error.code ?? null) : 0,
        stdout,
        stderr: stderr || error?.message || "",
        ...(isLate && { lateAfterMs: timeoutMs }),
      });
    });
    const timers = [
      setTimeout(() => {
        isLate = child.kill("SIGTERM");
      }, timeoutMs),
      setTimeout(() => {
        child.kill("SIGKILL");
        // A process that the client started may hold the pipes open.
        child.stdout?.destroy();
        child.stderr?.destroy();
      }, timeoutMs + GRACE_MS),
    ];
  });
}

const ENGINE_ERROR = /^(?:docker: )?Error response from daemon: *(.+)$/m;
const NOT_FOUND = /\bno such (?:container|image|volume|network|object)\b|^network \S+ not found$/i;
/** Some clients shorten the engine's error to this. */
const SHORT_NOT_FOUND = /^Error: *(no such (?:container|image|volume|network|object)\b.*)$/im;
const NOT_CONNECTED =
  /^(?:docker: )?(?:error during connect:|cannot connect to the docker|failed to connect to the docker|permission denied while trying to connect to the docker)/im;
const NOTHING_LISTENS = /cannot connect to the docker|failed to connect to the docker|refused$/im;
const NO_PERMISSION = /permission denied while trying to connect|connect: permission denied/i;

/**
 * Only an error of the engine can be `not found` or `refused`. Text of the client is `unreachable`: a
 * host name that does not resolve is "no such host", which says nothing about a volume.
 */
export function classifyExit(args: string[], exit: DockerExit): DockerAnswer {
  const { code, stderr, lateAfterMs } = exit;
  if (lateAfterMs !== undefined) {
    return { ...exit, kind: "unreachable", reason: `no answer within ${lateAfterMs / 1000} s` };
  }
  if (code === 0) return { ...exit, kind: "found", reason: "" };
  if (code === "ENOENT") {
    return { ...exit, kind: "unreachable", cause: "no client", reason: "docker is not installed" };
  }
  const isProgram = args[0] === "exec" || args[0] === "run";
  const error = ENGINE_ERROR.exec(stderr) ?? (isProgram ? null : SHORT_NOT_FOUND.exec(stderr));
  const reason = error?.[1]?.trim() ?? firstLine(stderr);
  if (error) return { ...exit, kind: NOT_FOUND.test(reason) ? "not found" : "refused", reason };
  if (NOT_CONNECTED.test(stderr)) return { ...exit, ...classifyConnection(stderr), reason };
  // `run` keeps 125 for failures of docker itself.
  const isOwnCode = typeof code === "number" && !(args[0] === "run" && code === 125);
  return { ...exit, kind: isProgram && isOwnCode ? "failed" : "unreachable", reason };
}

function classifyConnection(stderr: string): Pick<DockerAnswer, "kind" | "cause"> {
  const kind = "unreachable";
  if (NO_PERMISSION.test(stderr)) return { kind, cause: "no permission" };
  return NOTHING_LISTENS.test(stderr) ? { kind, cause: "nothing listens" } : { kind };
}

const firstLine = (text: string) => text.trim().split("\n")[0] ?? "";
