import { randomBytes } from "node:crypto";
import * as pulumi from "@pulumi/pulumi";
import { LOGIN_ROLES, type LoginRole } from "../../config/choices.ts";

export interface PasswordsArgs {
  /**
   * Passwords to use instead of generated ones, by role.
   * @default - all are generated
   * @example { app: config.requireSecret("appPassword") }
   */
  fixed?: { [Role in LoginRole]?: pulumi.Input<string> | undefined } | undefined;
  /**
   * Any text; when it changes, all passwords are generated again.
   * @default - the first passwords stay
   * @example "2027-01"
   */
  rotation?: string | undefined;
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
  readonly nodes: { generated: pulumi.Stash };

  constructor(name: string, args: PasswordsArgs = {}, opts?: pulumi.ComponentResourceOptions) {
    super("pgstead:index:Passwords", name, {}, opts);
    const input = pulumi.secret(
      Object.fromEntries(LOGIN_ROLES.map((role) => [role, generatePassword()])),
    );
    const generated = new pulumi.Stash(
      `${name}-generated`,
      { input },
      {
        parent: this,
        protect: args.protect ?? true,
        // Each run of the program generates passwords; the first ones stay.
        ignoreChanges: ["input"],
        ...(args.rotation && { replacementTrigger: args.rotation }),
      },
    );
    this.of = Object.fromEntries(
      LOGIN_ROLES.map((role) => [
        role,
        pulumi.secret(args.fixed?.[role] ?? generated.output.apply((all) => all[role])),
      ]),
    ) as Record<LoginRole, pulumi.Output<string>>;
    this.nodes = { generated };
    this.registerOutputs({});
  }
}

/** A password of letters and digits, so that it needs no escaping in a URL, a shell or SQL. */
export function generatePassword(length = 32): string {
  const alphabet = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789";
  // 256 is no multiple of the alphabet's length; larger bytes would make some letters more likely.
  const limit = 256 - (256 % alphabet.length);
  let password = "";
  while (password.length < length) {
    for (const byte of randomBytes(length)) {
      if (byte < limit && password.length < length) password += alphabet[byte % alphabet.length];
    }
  }
  return password;
}
