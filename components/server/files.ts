import { createHash } from "node:crypto";
import * as pulumi from "@pulumi/pulumi";
import { LOGIN_ROLES, type LoginRole } from "../../config/choices.ts";
import type { SettingsInput } from "../../operate/settings.ts";

/** Where the agent's container finds settings, passwords and keys. */
export const FILES_FOLDER = "/run/pgstead";
/** The only folder that another migrator sees. */
export const MIGRATOR_FOLDER = "/run/pgstead-migrator";
/** The image's guard reads it, and copies key and certificate for the server's user. */
export const TLS_FOLDER = "/run/pgstead-tls";

export interface ServerFilesArgs {
  /** Settings that `pgstead` verbs read inside the stack's containers. */
  settings: pulumi.Input<SettingsInput>;
  /** The password of each role; a secret. */
  passwords: Record<LoginRole, pulumi.Output<string>>;
  /**
   * URL for another migrator, written into a volume that holds nothing else.
   * @default - there is no such volume
   */
  migratorUrl?: pulumi.Input<string> | undefined;
  /**
   * More files for the agent, by absolute path below `/run/pgstead`.
   * @default - there are none
   * @example { "/run/pgstead/bucket-key.json": bucket.credentials }
   */
  more?: Record<string, pulumi.Input<string>> | undefined;
}

export interface TlsFiles {
  /** PEM. */
  certificate: pulumi.Input<string>;
  /** PEM of its private key; a secret. */
  key: pulumi.Input<string>;
}

/** The uploads of the writer: settings, passwords and keys, by path in the volumes. */
export function listServerFiles(
  args: ServerFilesArgs,
  serverSettings: string,
  tls: TlsFiles | undefined,
) {
  const passwords = LOGIN_ROLES.map((role) => [
    `${FILES_FOLDER}/passwords/${role}`,
    args.passwords[role],
  ]);
  const files: Record<string, pulumi.Input<string>> = {
    [`${FILES_FOLDER}/settings.json`]: pulumi
      .output(args.settings)
      .apply((settings) => `${JSON.stringify(settings, null, 2)}\n`),
    // For people: the server itself gets these settings on its command line.
    [`${FILES_FOLDER}/postgresql.conf`]: serverSettings,
    ...Object.fromEntries(passwords),
    ...(args.migratorUrl && { [`${MIGRATOR_FOLDER}/url`]: args.migratorUrl }),
    ...args.more,
  };
  // Everybody may read them, because only the stack's own containers mount the volume.
  const readable = Object.entries(files).map(([file, content]) => ({
    file,
    content,
    permissions: "0444",
  }));
  if (!tls) return readable;
  const { certificate, key } = tls;
  return [
    ...readable,
    { file: `${TLS_FOLDER}/server.crt`, content: certificate, permissions: "0444" },
    { file: `${TLS_FOLDER}/server.key`, content: key, permissions: "0400" },
    // For clients that verify the server; a certificate is no secret.
    { file: `${FILES_FOLDER}/server.crt`, content: certificate, permissions: "0444" },
  ];
}

/** A short name of the certificate's content. */
export const fingerprint = (certificate: pulumi.Input<string>) =>
  pulumi
    .output(certificate)
    .apply((pem) => createHash("sha256").update(pem).digest("hex").slice(0, 16));
