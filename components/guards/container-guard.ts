import * as pulumi from "@pulumi/pulumi";
import { CHANGE_MS } from "../../docker/run-docker.ts";
import { askDocker } from "../docker-client.ts";
import { ConfigError } from "../error.ts";
import { beforeCreate } from "./hooks.ts";
import { PROJECT_LABEL, STACK_LABEL } from "./stack-labels.ts";

/**
 * Returns a hook that runs before a container is created. A killed `up` may have left a container of this
 * stack that the state does not know: the hook stops and removes it (its data is in volumes). A container
 * of this name that does not belong to the stack is refused.
 */
export function guardContainer(
  name: string,
  container: string,
  dockerHost?: string,
): pulumi.ResourceHookBinding {
  return beforeCreate(`${name}-guard`, async () => {
    const format = "{{json .Config.Labels}}";
    const args = ["container", "inspect", "--format", format, container];
    const found = await askDocker(args, dockerHost);
    if (found === undefined) return;
    assertContainer(container, JSON.parse(found) ?? {});
    await askDocker(["stop", "--time", "50", container], dockerHost, CHANGE_MS);
    await askDocker(["rm", "--volumes", container], dockerHost, CHANGE_MS);
  });
}

export function assertContainer(
  container: string,
  labels: Record<string, string>,
  project = pulumi.getProject(),
  stack = pulumi.getStack(),
): void {
  if (labels[PROJECT_LABEL] === project && labels[STACK_LABEL] === stack) return;
  throw new ConfigError(
    `a container "${container}" exists and does not belong to stack "${stack}"; rename it (docker rename ${container} ${container}-old), or give the stack another name`,
  );
}
