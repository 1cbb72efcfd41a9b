import * as pulumi from "@pulumi/pulumi";
import { CHANGE_MS } from "../../docker/run-docker.ts";
import { askDocker } from "../docker-client.ts";
import { ConfigError } from "../error.ts";
import { beforeCreate } from "./hooks.ts";
import { PROJECT_LABEL, STACK_LABEL } from "./stack-labels.ts";

/**
 * Before a container is made: one of this stack that a killed `up` left behind unrecorded is stopped
 * and removed (what it serves lies in volumes), a stranger's is refused.
 */
export function containerGuard(
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
    `a container "${container}" exists and is not of stack "${stack}"; rename it (docker rename ${container} ${container}-old), or give the stack another name`,
  );
}
