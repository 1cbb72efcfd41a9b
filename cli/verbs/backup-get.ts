import { basename } from "node:path";
import type { GetResult } from "../../operate/backup/store/get-backup.ts";
import { formatBytes } from "../../operate/human-units.ts";
import { saveFile } from "../save-file.ts";
import { splitVerb } from "../verb.ts";

export const backupGet = splitVerb({
  name: "backup get",
  where: "split",
  group: "backup",
  summary: "copy a backup's dump from the folder or the bucket, and check the copy",
  args: "<id>",
  options: [
    {
      flags: "-o, --out <file>",
      description: "file, or - for stdout; by default its own name in the current folder",
    },
  ],
  examples: [
    "pgstead backup get latest",
    "pgstead backup get app-20260507T020000Z --out - | pg_restore --list",
  ],
  async answer(context, { args }, out) {
    const { getBackup } = await import("../../operate/backup/store/get-backup.ts");
    const note = (line: string) => context.note(line);
    return getBackup(await context.settings(), args[0] as string, out, note);
  },
  async run(context, { args, options }, ask) {
    const given = options.out as string | undefined;
    // Only the answer knows the dump's name, and no path in it counts: it comes from elsewhere.
    const nameOf = ({ file }: GetResult) => given ?? basename(file);
    const out = given ?? basename(args[0] as string);
    const result = await saveFile(out, (target) => ask({ out: target }), nameOf);
    if (out === "-") return;
    const { file, ...found } = { ...result, out: nameOf(result) };
    context.print(found, () => describe(found));
  },
});

type Got = Omit<GetResult, "file"> & { out: string };

const describe = (got: Got) => (got.encrypted ? describeEncrypted(got) : describePlain(got));

const describeEncrypted = ({ manifest, out }: Got) =>
  [
    `${out}: from the bucket, encrypted; with your key:`,
    `  age --decrypt --identity KEY --output ${manifest.dump.file} ${out}`,
    `  echo "${manifest.dump.sha256}  ${manifest.dump.file}" | sha256sum --check`,
  ].join("\n");

const describePlain = ({ manifest, where, out }: Got) =>
  `${out}: ${formatBytes(manifest.dump.size)}, from ${where === "local" ? "the folder" : "the bucket"}, checksum right`;
