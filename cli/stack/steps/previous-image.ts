import { type ExpectedError, mistake } from "../../../operate/error.ts";
import { type DockerStack, docker, engineError } from "../docker/docker-stack.ts";
import { previousTag } from "./change-step.ts";

export const notInContainers = (stack: string): ExpectedError =>
  mistake(`stack "${stack}" runs no image: there is nothing to go back to, or to let go of`);

/** The image that ran before the present one. */
export async function previousImage(stack: DockerStack): Promise<string> {
  const image = await findPrevious(stack);
  if (image) return image;
  throw mistake(
    `no change of image is open: ${previousTag(stack.stack)} does not exist (the first change makes it, "finish" removes it)`,
  );
}

/** Undefined once nothing is left to go back to. */
export async function findPrevious({ env, stack }: DockerStack): Promise<string | undefined> {
  const format = ["image", "inspect", "--format", "{{.Id}}", previousTag(stack)];
  const { code, stdout, stderr } = await docker(env, format);
  if (code === 0) return stdout.trim();
  if (/no such image/i.test(stderr)) return undefined;
  throw engineError(env, stderr);
}

/** A name for the image that is gone back to: the agent's is built on it. */
export async function pinImage(stack: DockerStack, image: string): Promise<void> {
  const { code, stderr } = await docker(stack.env, [
    "tag",
    image,
    `${stack.stack}-postgres:pinned`,
  ]);
  if (code !== 0) throw engineError(stack.env, stderr);
}

/** The image itself goes when nothing else refers to it. */
export async function releasePrevious(stack: DockerStack): Promise<void> {
  const { code, stderr } = await docker(stack.env, ["rmi", previousTag(stack.stack)]);
  if (code !== 0) throw engineError(stack.env, stderr);
}
