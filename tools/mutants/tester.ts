import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";

const LIMIT_SECONDS = 120;

/** Asks a process in the copy whether the tests notice a change. */
export class Tester {
  readonly #root: string;
  #child: ChildProcess | undefined;

  constructor(root: string) {
    this.#root = root;
  }

  /** Whether a test fails. One that does not end counts as failed. */
  async isKilled(changed: string, tests: string[]): Promise<boolean> {
    const child = this.#child ?? (await this.#start());
    child.send({ changed, tests });
    const limit = AbortSignal.timeout(LIMIT_SECONDS * 1000);
    try {
      const [answer] = await once(child, "message", { signal: limit });
      return answer.isKilled;
    } catch {
      this.stop();
      return true;
    }
  }

  async #start(): Promise<ChildProcess> {
    const child = spawn(process.execPath, ["--import", "tsx", "tools/mutants/test-process.ts"], {
      cwd: this.#root,
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    await once(child, "message");
    this.#child = child;
    return child;
  }

  stop(): void {
    this.#child?.kill("SIGKILL");
    this.#child = undefined;
  }
}
