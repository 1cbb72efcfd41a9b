import * as pulumi from "@pulumi/pulumi";

/**
 * Keeps a value in the stack's state, encrypted. Each run of the program gives another value, and the
 * first one stays.
 */
export function stashFirst(
  name: string,
  value: pulumi.Input<unknown>,
  options: pulumi.CustomResourceOptions,
): pulumi.Stash {
  const input = pulumi.secret(value);
  return new pulumi.Stash(name, { input }, { ...options, ignoreChanges: ["input"] });
}
