import { createHash } from "node:crypto";
import * as pulumi from "@pulumi/pulumi";
import type { SettingsInput } from "../../operate/settings.ts";
import { LOGIN_ROLES, type LoginRole } from "./passwords.ts";

export const FILES_FOLDER = "/run/pgstead";
/** What another migrator than ours may see. */
export const MIGRATOR_FOLDER = "/run/pgstead-migrator";
/** Read by the image's guard, which hands key and certificate to the server's own user. */
export const TLS_FOLDER = "/run/pgstead-tls";

export interface ServerFilesArgs {
  /** What `pgstead` verbs read inside the stack's containers. */
  settings: pulumi.Input<SettingsInput>;
  passwords: Record<LoginRole, pulumi.Output<string>>;
  /** URL for another migrator than ours, put into a volume that holds nothing else. */
  migratorUrl?: pulumi.Input<string> | undefined;
  /** More files for the agent, by absolute path below `/run/pgstead`. */
  files?: Record<string, pulumi.Input<string>>;
  /** Certificate and key, PEM. @default - no TLS */
  tls?: { certificate: pulumi.Input<string>; key: pulumi.Input<string> } | undefined;
}

/** Settings, passwords and keys, as the writer carries them into the volumes. */
export function serverFiles(args: ServerFilesArgs, serverSettings: string) {
  const passwords = LOGIN_ROLES.map((role) => [
    `${FILES_FOLDER}/passwords/${role}`,
    args.passwords[role],
  ]);
  const files: Record<string, pulumi.Input<string>> = {
    [`${FILES_FOLDER}/settings.json`]: pulumi
      .output(args.settings)
      .apply((settings) => `${JSON.stringify(settings, null, 2)}\n`),
    // What the server was started with, each line with its reason.
    [`${FILES_FOLDER}/postgresql.conf`]: serverSettings,
    ...Object.fromEntries(passwords),
    ...(args.migratorUrl && { [`${MIGRATOR_FOLDER}/url`]: args.migratorUrl }),
    ...args.files,
  };
  // Readable by all who can see the volume, and only the stack's own containers can.
  const readable = Object.entries(files).map(([file, content]) => ({
    file,
    content,
    permissions: "0444",
  }));
  if (!args.tls) return readable;
  const { certificate, key } = args.tls;
  return [
    ...readable,
    { file: `${TLS_FOLDER}/server.crt`, content: certificate, permissions: "0444" },
    { file: `${TLS_FOLDER}/server.key`, content: key, permissions: "0400" },
    // For clients that verify it; a certificate is no secret.
    { file: `${FILES_FOLDER}/server.crt`, content: certificate, permissions: "0444" },
  ];
}

export const fingerprint = (certificate: pulumi.Input<string>) =>
  pulumi
    .output(certificate)
    .apply((pem) => createHash("sha256").update(pem).digest("hex").slice(0, 16));
