import type { FoundBackup } from "../../operate/backup/store/find-backup.ts";
import type { GetResult } from "../../operate/backup/store/get-backup.ts";
import { ExitCode } from "../../operate/error.ts";
import { formatBytes } from "../../operate/human-units.ts";
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
    const id = args[0] as string;
    const remote = options.out === "-" ? undefined : await context.dockerStack();
    if (remote) {
      // The file is wanted here, not in the container where the backups lie.
      const { askAgent, saveFromAgent } = await import("../stack/docker/save-from-agent.ts");
      const { manifest } = await askAgent<FoundBackup>(remote, ["backup", "show", id]);
      const out = String(options.out ?? manifest.dump.file);
      const code = await saveFromAgent(remote, ["backup", "get", manifest.id], out);
      if (code === ExitCode.fine) context.print({ out, manifest }, `${out}: checksum right`);
      return code;
    }
    const { getBackup } = await import("../../operate/backup/store/get-backup.ts");
    const result = await getBackup(await context.settings(), id, {
      note: (line) => context.note(line),
      ...(options.out !== undefined && { out: String(options.out) }),
    });
    if (result.out !== "-") context.print(result, () => describe(result));
  },
};

const describe = (result: GetResult) =>
  result.encrypted ? describeEncrypted(result) : describePlain(result);

const describeEncrypted = ({ manifest, out }: GetResult) =>
  [
    `${out}: from the bucket, encrypted; with your key:`,
    `  age --decrypt --identity KEY --output ${manifest.dump.file} ${out}`,
    `  echo "${manifest.dump.sha256}  ${manifest.dump.file}" | sha256sum --check`,
  ].join("\n");

const describePlain = ({ manifest, where, out }: GetResult) =>
  `${out}: ${formatBytes(manifest.dump.size)}, from ${where === "local" ? "the folder" : "the bucket"}, checksum right`;
