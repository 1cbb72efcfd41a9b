import type { GetResult } from "../../operate/backup/get.ts";
import { bytes } from "../../operate/backup/units.ts";
import type { Verb } from "../verb.ts";

export const backupGet: Verb = {
  name: "backup get",
  group: "backup",
  summary: "copy a backup's dump out of the folder or the bucket, checked on the way",
  args: "<id>",
  options: [
    { flags: "-o, --out <file>", description: "file, or - for stdout; here under its own name" },
  ],
  examples: [
    "pgstead backup get latest",
    "pgstead backup get app-20260507T020000Z --out - | pg_restore --list",
  ],
  async run(context, { args, options }) {
    const { getBackup } = await import("../../operate/backup/get.ts");
    const result = await getBackup(await context.settings(), args[0] as string, {
      note: (line) => context.note(line),
      ...(options.out !== undefined && { out: String(options.out) }),
    });
    if (result.out !== "-") context.print(result, () => describe(result));
  },
};

const describe = ({ manifest, where, out }: GetResult) =>
  `${out}: ${bytes(manifest.dump.size)}, from ${where === "local" ? "the folder" : "the bucket"}, checksum right`;
