import { LOGIN_ROLES } from "./choices.ts";
import { valueAt } from "./mistakes.ts";
import { PREFIX } from "./prefix.ts";

const SECRETS = [
  ...LOGIN_ROLES.map((role) => ["postgres", "passwords", role]),
  ["postgres", "tls", "key"],
  ["bucket", "accessKey", "secret"],
];

/**
 * Warns of each secret that the stack's file holds as plain text. Pulumi marks a whole section as secret if
 * one value inside is encrypted, so a plain value beside an encrypted one is not found.
 */
export function describePlainSecrets(
  stack: string,
  values: Record<string, unknown>,
  isSecret: (key: string) => boolean,
): string[] {
  return SECRETS.filter(
    (path) => valueAt(values, path) !== undefined && !isSecret(PREFIX + path[0]),
  ).map((path) => {
    const key = PREFIX + path.join(".");
    return `${key} is plain text in the file of stack "${stack}", so everybody who reads the file has it; replace it: pulumi config set --secret --path ${key} --stack ${stack}`;
  });
}
