import { CHANGE_MS } from "../../../docker/run-docker.ts";
import { type ExpectedError, mistake } from "../../../operate/error.ts";
import { askEngine, findOnEngine } from "../docker/ask-engine.ts";
import type { DockerStack } from "../docker/docker-stack.ts";
import { previousTag } from "./change-step.ts";
import { findPreviousConfig, forgetPreviousConfig } from "./previous-config.ts";

export const notInContainers = (stack: string): ExpectedError =>
  mistake(`stack "${stack}" runs no image, so it has no previous image`);

/** Id of the image that ran before the present one. */
export async function previousImage(stack: DockerStack): Promise<string> {
  const image = await findPrevious(stack);
  if (image) return image;
  throw mistake(
    `no change of image is open: ${previousTag(stack.stack)} does not exist (the first change makes it, "finish" removes it)`,
  );
}

/** Undefined if there is no image to go back to. */
export const findPrevious = ({ env, stack }: DockerStack): Promise<string | undefined> =>
  findOnEngine(env, ["image", "inspect", "--format", "{{.Id}}", previousTag(stack)]);

/** What the last change has changed: `image`, or keys of the configuration. */
export async function describeOpenChange(stack: DockerStack): Promise<string | undefined> {
  if (!(await findPrevious(stack))) return undefined;
  const config = await findPreviousConfig(stack.env, stack.stack);
  const { keys, isOtherImage } = config ?? { keys: {}, isOtherImage: true };
  return [...(isOtherImage ? ["image"] : []), ...Object.keys(keys)].join(", ");
}

/** Gives the image of `undo` a name, because the agent's image is built on it. */
export const pinImage = ({ env, stack }: DockerStack, image: string): Promise<string> =>
  askEngine(env, ["tag", image, `${stack}-postgres:pinned`], CHANGE_MS);

/** Removes the tag; the engine removes the image when no other tag or container uses it. */
export async function releasePrevious({ env, stack }: DockerStack): Promise<void> {
  await forgetPreviousConfig(env, stack);
  await askEngine(env, ["rmi", previousTag(stack)], CHANGE_MS);
}
