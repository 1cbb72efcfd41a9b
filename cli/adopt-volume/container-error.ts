import type { DockerAnswer } from "../../docker/run-docker.ts";
import { type ExpectedError, mistake } from "../../operate/error.ts";
import { createEngineError } from "../stack/docker/ask-engine.ts";

/** The error of a one-off container that did not succeed: the program's own, or the engine's. */
export function createContainerError(env: NodeJS.ProcessEnv, answer: DockerAnswer): ExpectedError {
  if (answer.kind !== "failed") return createEngineError(env, answer);
  return mistake(`the old volume is unchanged, and this failed: ${answer.stderr.trim()}`);
}
