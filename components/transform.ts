import type * as pulumi from "@pulumi/pulumi";

/** Changes what a component declares: properties to set over its own, or a function that decides. */
export type Transform<Args> =
  | Partial<Args>
  | ((args: Args, options: pulumi.CustomResourceOptions) => Args);

/** Name, arguments and options of a child, for spreading into its constructor. */
export function transform<Args extends object>(
  change: Transform<Args> | undefined,
  name: string,
  args: Args,
  options: pulumi.CustomResourceOptions,
): [string, Args, pulumi.CustomResourceOptions] {
  if (typeof change === "function") return [name, change(args, options), options];
  return [name, { ...args, ...change }, options];
}
