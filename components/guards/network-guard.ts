import * as pulumi from "@pulumi/pulumi";
import { CHANGE_MS } from "../../docker/run-docker.ts";
import { askDocker } from "../docker-client.ts";
import { ConfigError } from "../error.ts";
import { beforeCreate } from "./hooks.ts";
import { PROJECT_LABEL, STACK_LABEL } from "./stack-labels.ts";

/** What `docker network inspect` shows, as far as the guard reads it. */
export interface FoundNetwork {
  Labels: Record<string, string> | null;
  Containers: Record<string, { Name: string }> | null;
}

/**
 * Returns a hook that runs before a network is created. Docker refuses a second network of one name. A
 * killed `up` may have left this stack's network without a record in the state: the hook removes it if
 * nothing is connected. A network in use, or of somebody else, is refused by name.
 */
export function guardNetwork(
  name: string,
  network: string,
  dockerHost?: string,
): pulumi.ResourceHookBinding {
  return beforeCreate(`${name}-guard`, async () => {
    const inspect = ["network", "inspect", "--format", "{{json .}}", network];
    const found = await askDocker(inspect, dockerHost);
    if (found === undefined) return;
    assertRemovable(network, JSON.parse(found));
    await askDocker(["network", "rm", network], dockerHost, CHANGE_MS);
  });
}

export function assertRemovable(
  network: string,
  { Labels, Containers }: FoundNetwork,
  project = pulumi.getProject(),
  stack = pulumi.getStack(),
): void {
  if (Labels?.[PROJECT_LABEL] !== project || Labels[STACK_LABEL] !== stack) {
    throw new ConfigError(
      `a network "${network}" exists and does not belong to stack "${stack}"; remove it (docker network rm ${network}), or give the stack another name`,
    );
  }
  const connected = Object.values(Containers ?? {}).map(({ Name }) => Name);
  if (connected.length === 0) return;
  throw new ConfigError(
    `network "${network}" of stack "${stack}" exists, Pulumi's state does not know it, and it is in use by ${connected.join(", ")}; if another state made this stack, use that state (PULUMI_BACKEND_URL), else disconnect them (docker network disconnect ${network} NAME)`,
  );
}
