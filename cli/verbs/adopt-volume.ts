import { mistake } from "../../operate/error.ts";
import type { Adopted } from "../adopt-volume/adopt-volume.ts";
import type { Verb } from "../verb.ts";

export const adoptVolume: Verb = {
  name: "adopt-volume",
  where: "here",
  group: "stack",
  summary:
    "take over the cluster of another volume before the first `up` of this stack; dumps it too",
  args: "[name]",
  options: [
    {
      flags: "--from-container <name>",
      description: "take the volume that holds this container's cluster",
    },
    { flags: "--cluster <path>", description: "which cluster, if the volume holds more than one" },
    {
      flags: "--image <image>",
      description: "an image that can serve the old volume, if its container is gone",
    },
    { flags: "--dry-run", description: "only say what would be done" },
  ],
  examples: [
    "pgstead adopt-volume myapp_postgres_data --stack prod",
    "pgstead adopt-volume --from-container myapp-postgres-1 --stack prod",
    "pgstead adopt-volume old_data --image pgvector/pgvector:pg16 --stack prod",
  ],
  writes: true,
  async run(context, { args, options }) {
    const [root, name] = [await context.root(), await context.stack()];
    const stack = await context.dockerStack();
    if (!stack) throw mistake(`stack "${name}" has no volume: its engine is not "docker"`);
    const { adoptVolume: adopt } = await import("../adopt-volume/adopt-volume.ts");
    const { readServerWanted } = await import("../adopt-volume/server-wanted.ts");
    const { readProjectName } = await import("../root.ts");
    const adopted = await adopt({
      ...{ root, stack, project: readProjectName(root), wanted: readServerWanted(root, name) },
      volume: args[0],
      container: options.fromContainer as string | undefined,
      cluster: options.cluster as string | undefined,
      image: options.image as string | undefined,
      dryRun: options.dryRun === true,
      mayStop: context.yes,
      note: (line) => context.note(line),
    });
    context.print(adopted, () => describe(adopted, name));
  },
};

function describe({ from, to, dump, cluster, loaded }: Adopted, stack: string): string {
  if (!dump) {
    return loaded
      ? `would copy "${cluster.path}" of "${from}", dump the copy, and load the dump into a new cluster on "${to}"`
      : `would dump "${from}" and copy "${cluster.path}" of it to "${to}"`;
  }
  const done = loaded ? `loaded "${from}" into "${to}"` : `adopted "${from}" as "${to}"`;
  return `${done}; a dump of it is ${dump}\n"${from}" is as it was: stop what would start it again, then "pgstead up --stack ${stack}"`;
}
