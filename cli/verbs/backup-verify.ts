import type { Proof } from "../../operate/backup/format/proof.ts";
import { ExitCode } from "../../operate/error.ts";
import { stopSignal } from "../../operate/stop.ts";
import type { Verb } from "../verb.ts";
import { version } from "../version.ts";
import { wholeNumber } from "./migrate-options.ts";

export const backupVerify: Verb = {
  name: "backup verify",
  where: "agent",
  group: "backup",
  summary:
    "restore a backup into a scratch server and compare it; exit 2 if it fails, 4 if the restore could not be tried",
  args: "[id]",
  options: [
    { flags: "--from-bucket", description: "read the bucket's copy, even if there is a local one" },
    {
      flags: "--wait <seconds>",
      description: "how long to wait for another verification",
      default: "600",
    },
  ],
  examples: ["pgstead backup verify", "pgstead backup verify app-20260507T020000Z --from-bucket"],
  writes: true,
  async run(context, { args, options }) {
    const settings = await context.settings();
    const note = (line: string) => context.note(line);
    const waitMs = wholeNumber(String(options.wait), "--wait") * 1000;
    const { verifyBackup } = await import("../../operate/backup/prove/verify-backup.ts");
    const { proof, uploadError } = await verifyBackup(settings, args[0] ?? "latest", {
      ...{ fromBucket: options.fromBucket === true, pgsteadVersion: version },
      ...{ waitMs, note, signal: stopSignal },
    });
    context.print({ ...proof, uploadError }, () => describe(proof, uploadError));
    return EXIT[proof.state];
  },
};

const EXIT = {
  proven: ExitCode.fine,
  failed: ExitCode.pending,
  unverified: ExitCode.refused,
} as const;

function describe(proof: Proof, uploadError: string | null): string {
  const { id, state, problems, compared, from, restoreSeconds, totalSeconds } = proof;
  const copy = from === "local" ? "the copy on the volume" : "the copy in the bucket";
  const lines: Record<Proof["state"], string[]> = {
    proven: [
      `${id}: proven, from ${copy}`,
      `  compared     ${compared.join(", ")}`,
      `  restored in  ${restoreSeconds} s (RTO), verified in ${totalSeconds} s`,
      `  brings back  ${proof.restorableTo} (RPO)`,
    ],
    failed: [`${id}: FAILED, from ${copy}`, ...problems.map((line) => `  ${line}`)],
    unverified: [
      `${id}: COULD NOT BE VERIFIED, so it is neither proven nor failed`,
      ...problems.map((line) => `  ${line}`),
    ],
  };
  const uploadLines = uploadError ? [`not uploaded to the bucket: ${uploadError}`] : [];
  return [...lines[state], ...uploadLines].join("\n");
}
