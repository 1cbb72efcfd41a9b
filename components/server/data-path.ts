import type { ContainerArgs } from "@pulumi/docker/container.js";
import type * as pulumi from "@pulumi/pulumi";

/** Where the cluster's volume is mounted, as in the official images since 18. */
export const VOLUME_FOLDER = "/var/lib/postgresql";

/**
 * A tmpfs over the volume that the official images before 18 declare inside ours. Without it Docker makes
 * an anonymous volume there for each container.
 */
export function coverImageVolume(major: string): Record<string, string> {
  return Number(major) < 18 ? { [`${VOLUME_FOLDER}/data`]: "size=4k,mode=0555" } : {};
}

/** The inputs of a container that decide where its data is. */
export type DataPath = pulumi.Unwrap<
  Pick<ContainerArgs, "volumes" | "mounts" | "tmpfs" | "envs" | "image">
>;

/**
 * What a transform has changed in the data path, and what to do. Outside its volume the cluster would be
 * deleted with the container, and another image has no guard.
 */
export function describeDataPathChange(
  { volumes = [], mounts = [], tmpfs = {}, envs = [], image }: DataPath,
  expected: { dataVolume: string; image: string; major: string },
): string | undefined {
  const volume = volumes.find(({ containerPath }) => containerPath === VOLUME_FOLDER);
  if (volume?.volumeName !== expected.dataVolume || volume.readOnly) {
    const found = volume ? describeVolume(volume) : "none";
    return `the volume at ${VOLUME_FOLDER} must be "${expected.dataVolume}" and is ${found}; leave "volumes" as they are, or add to them`;
  }
  const places = [
    ...volumes.map(({ containerPath }) => containerPath),
    ...mounts.map(({ target }) => target),
    ...Object.keys(tmpfs),
  ];
  const cover = coverImageVolume(expected.major);
  const over = places.find((place) => place?.startsWith(`${VOLUME_FOLDER}/`) && !(place in cover));
  if (over) return `something is mounted at ${over}, over the cluster's volume; leave it out`;
  if (envs.some((variable) => variable.startsWith("PGDATA="))) {
    return `"PGDATA" is set, which moves the cluster; leave it out`;
  }
  if (image !== expected.image) {
    return `"image" is ${image}, which has no guard of pgstead; set "image.baseImage" of the component instead`;
  }
  return undefined;
}

const describeVolume = ({ volumeName, hostPath, readOnly }: Volume) =>
  `"${volumeName ?? hostPath}"${readOnly ? ", read-only" : ""}`;

type Volume = NonNullable<DataPath["volumes"]>[number];
