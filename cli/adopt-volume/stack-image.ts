import { spawn } from "node:child_process";
import { resolve } from "node:path";
import { mistake } from "../../operate/error.ts";
import { type DockerStack, docker } from "../stack/docker/docker-stack.ts";
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
 * The server's image before the first `up`. What it is made of is asked of the program itself, so that
 * the two are the same.
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
  if ((await inSight(env, line)) === 0) return image;
  throw mistake("the stack's image was not built; the lines above say why");
}

/** `up` makes its own, of the layers that this one leaves in the engine's cache. */
export const removeStackImage = ({ env, stack }: DockerStack) =>
  docker(env, ["image", "rm", tagOf(stack)]);

/** On stderr, for stdout is the answer's. */
function inSight(env: NodeJS.ProcessEnv, args: string[]): Promise<number | null> {
  return new Promise((ended, reject) => {
    const child = spawn("docker", args, { env, stdio: ["ignore", process.stderr, process.stderr] });
    child.once("error", reject);
    child.once("close", ended);
  });
}
