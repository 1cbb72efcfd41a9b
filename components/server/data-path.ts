import type { ContainerArgs } from "@pulumi/docker/container.js";
import type * as pulumi from "@pulumi/pulumi";

/** Where the cluster's volume is mounted, by the layout of the official images since 18. */
export const VOLUME_FOLDER = "/var/lib/postgresql";

/**
 * What to lay over the volume that the official images before 18 declare inside ours: the engine would
 * make a nameless one there for each container.
 */
export function coverOfImageVolume(major: string): Record<string, string> {
  return Number(major) < 18 ? { [`${VOLUME_FOLDER}/data`]: "size=4k,mode=0555" } : {};
}

/** What of a container decides where its data lies. */
export type DataPath = pulumi.Unwrap<
  Pick<ContainerArgs, "volumes" | "mounts" | "tmpfs" | "envs" | "image">
>;

/**
 * What a transform has moved, and how to leave it: without its volume the cluster would be gone with the
 * container, and another image has no guard of its own.
 */
export function dataPathChange(
  { volumes = [], mounts = [], tmpfs = {}, envs = [], image }: DataPath,
  expected: { dataVolume: string; image: string; major: string },
): string | undefined {
  const volume = volumes.find(({ containerPath }) => containerPath === VOLUME_FOLDER);
  if (volume?.volumeName !== expected.dataVolume || volume.readOnly) {
    const found = volume ? describe(volume) : "none";
    return `the volume at ${VOLUME_FOLDER} is to be "${expected.dataVolume}" and is ${found}; leave "volumes" as they are, or add to them`;
  }
  const places = [
    ...volumes.map(({ containerPath }) => containerPath),
    ...mounts.map(({ target }) => target),
    ...Object.keys(tmpfs),
  ];
  const cover = coverOfImageVolume(expected.major);
  const over = places.find((place) => place?.startsWith(`${VOLUME_FOLDER}/`) && !(place in cover));
  if (over) return `something is mounted at ${over}, over the cluster's volume; leave it out`;
  if (envs.some((variable) => variable.startsWith("PGDATA="))) {
    return `"PGDATA" is set, which moves the cluster; leave it out`;
  }
  if (image !== expected.image) {
    return `"image" is ${image}, past the guards of the one that was built; set "baseImage" of the component instead`;
  }
  return undefined;
}

const describe = ({ volumeName, hostPath, readOnly }: Volume) =>
  `"${volumeName ?? hostPath}"${readOnly ? ", read-only" : ""}`;

type Volume = NonNullable<DataPath["volumes"]>[number];
