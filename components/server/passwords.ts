import { createHmac, randomBytes } from "node:crypto";
import * as pulumi from "@pulumi/pulumi";
import { LOGIN_ROLES, type LoginRole } from "../../config/choices.ts";
import { stashFirst } from "./stash.ts";

export interface PasswordsArgs {
  /**
   * Passwords to use instead of generated ones, by role.
   * @default - all are generated
   * @example { app: config.requireSecret("appPassword") }
   */
  fixed?: { [Role in LoginRole]?: pulumi.Input<string> | undefined } | undefined;
  /**
   * Any text. Each text has passwords of its own, so another text changes all that are generated.
   * @default - the first passwords
   * @example "2027-01"
   */
  rotation?: string | undefined;
  /**
   * The first passwords, of a stack whose state was lost. A state that has passwords ignores them.
   * @default - they are generated
   */
  first?: Record<LoginRole, string> | undefined;
  /** Refuse to delete the generated passwords. @default true */
  protect?: boolean | undefined;
}

/**
 * The passwords of the roles. They are generated once and kept, encrypted, in the stack's state.
 *
 * @example
 * const { of } = new Passwords("passwords", { rotation: "2027-01" });
 */
export class Passwords extends pulumi.ComponentResource {
  /** The password of each role; a secret. */
  readonly of: Record<LoginRole, pulumi.Output<string>>;
  /** The resources underneath, for what the outputs do not cover. */
  readonly nodes: { generated: pulumi.Stash; rotationKey: pulumi.Stash };

  constructor(name: string, args: PasswordsArgs = {}, opts?: pulumi.ComponentResourceOptions) {
    super("pgstead:index:Passwords", name, {}, opts);
    const { fixed, rotation, protect = true } = args;
    const options = { parent: this, protect, dependsOn: opts?.dependsOn ?? [] };
    const first =
      args.first ?? Object.fromEntries(LOGIN_ROLES.map((role) => [role, generatePassword()]));
    const generated = stashFirst(`${name}-generated`, first, options);
    // Pulumi does not replace a protected resource, so a rotation does not replace the first passwords.
    const rotationKey = stashFirst(`${name}-rotation-key`, generatePassword(), options);
    this.of = Object.fromEntries(
      LOGIN_ROLES.map((role) => [role, pulumi.secret(fixed?.[role] ?? createPassword(role))]),
    ) as Record<LoginRole, pulumi.Output<string>>;
    this.nodes = { generated, rotationKey };
    this.registerOutputs({});

    function createPassword(role: LoginRole): pulumi.Output<string> {
      return rotation
        ? rotationKey.output.apply((key) => derivePassword(key, role, rotation))
        : generated.output.apply((all) => all[role] as string);
    }
  }
}

// Without letters that look alike. No character needs escaping in a URL, a shell or SQL.
const ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789";
// 256 is no multiple of the alphabet's length; larger bytes would make some letters more likely.
const LIMIT = 256 - (256 % ALPHABET.length);
const LENGTH = 32;

export function generatePassword(): string {
  let password = "";
  while (password.length < LENGTH) password += spell(randomBytes(LENGTH));
  return password.slice(0, LENGTH);
}

/** The password of a role in a rotation. The key is not in any password, so a leak of one reveals no other. */
export const derivePassword = (key: string, role: LoginRole, rotation: string): string =>
  spell(
    createHmac("sha512", key)
      .update(JSON.stringify([role, rotation]))
      .digest(),
  ).slice(0, LENGTH);

const spell = (bytes: Uint8Array): string =>
  [...bytes]
    .filter((byte) => byte < LIMIT)
    .map((byte) => ALPHABET[byte % ALPHABET.length])
    .join("");
