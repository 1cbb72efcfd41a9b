import { spawn } from "node:child_process";
import { resolve } from "node:path";
import { CHANGE_MS, type DockerAnswer, runDocker } from "../../docker/run-docker.ts";
import { mistake } from "../../operate/error.ts";
import type { DockerStack } from "../stack/docker/docker-stack.ts";
import { previewSteps } from "../stack/pulumi/preview-steps.ts";
import { prepareDeployment } from "../stack/pulumi/run-pulumi.ts";

interface ImageInputs {
  build: {
    context: string;
    dockerfile: string;
    args: Record<string, string>;
    platform: string;
    network?: string;
  };
}

const tagOf = (stack: string) => `${stack}-postgres:adopting`;

/**
 * Builds the server's image before the first `up`. Its inputs come from a preview of the program, so
 * that `up` builds an equal one.
 */
export async function buildStackImage(
  root: string,
  { env, stack }: DockerStack,
  note: (line: string) => void,
): Promise<string> {
  const run = await prepareDeployment(root, stack, note);
  const steps = await previewSteps(run, []);
  const inputs = steps.find(({ urn }) => urn.endsWith("-image-server"))?.newState?.inputs;
  if (!inputs) throw mistake(`stack "${stack}" declares no image of a server`);
  const { build } = inputs as unknown as ImageInputs;
  const image = tagOf(stack);
  note(`building the stack's image as ${image}`);
  const args = Object.entries(build.args).flatMap(([key, value]) => [
    "--build-arg",
    `${key}=${value}`,
  ]);
  const line = [
    ...["build", "--tag", image, "--file", resolve(root, build.dockerfile)],
    ...["--platform", build.platform, ...(build.network ? ["--network", build.network] : [])],
    ...[...args, resolve(root, build.context)],
  ];
  if ((await runVisibly(env, line)) === 0) return image;
  throw mistake("the stack's image was not built; the lines above have the reason");
}

/** `up` builds its own image; this one's layers stay in the engine's cache. */
export const removeStackImage = ({ env, stack }: DockerStack): Promise<DockerAnswer> =>
  runDocker(["image", "rm", tagOf(stack)], { env, timeoutMs: CHANGE_MS });

/** Shows the output on stderr, because stdout is the verb's answer. */
function runVisibly(env: NodeJS.ProcessEnv, args: string[]): Promise<number | null> {
  return new Promise((ended, reject) => {
    const child = spawn("docker", args, { env, stdio: ["ignore", process.stderr, process.stderr] });
    child.once("error", reject);
    child.once("close", ended);
  });
}
