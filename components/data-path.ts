import type { ContainerArgs } from "@pulumi/docker/container.js";
import * as pulumi from "@pulumi/pulumi";
import { ConfigError } from "./error.ts";

/** Where the cluster's volume is mounted, by the layout of the official images since 18. */
export const VOLUME_FOLDER = "/var/lib/postgresql";

/**
 * What to lay over the volume that the official images before 18 declare inside ours: the engine would
 * make a nameless one there for each container.
 */
export function coverOfImageVolume(major: string): Record<string, string> {
  return Number(major) < 18 ? { [`${VOLUME_FOLDER}/data`]: "size=4k,mode=0555" } : {};
}

/** A transform must not move the cluster: where no volume is, it would be gone with the container. */
export function assertDataPath(name: string, { volumes, envs }: ContainerArgs): void {
  const mounts = Array.isArray(volumes) ? volumes : [];
  const known = mounts.filter((mount) => !pulumi.Output.isInstance(mount));
  if (!known.some((mount) => "containerPath" in mount && mount.containerPath === VOLUME_FOLDER)) {
    throw new ConfigError(
      `no volume is mounted at ${VOLUME_FOLDER} in the container of "${name}": the cluster would be gone with the container; leave "volumes" as they are, or add to them`,
    );
  }
  const given = Array.isArray(envs) ? envs : [];
  if (given.some((variable) => typeof variable === "string" && variable.startsWith("PGDATA="))) {
    throw new ConfigError(
      `"PGDATA" is set in the container of "${name}", which would move the cluster; leave it out`,
    );
  }
}
