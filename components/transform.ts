import type * as pulumi from "@pulumi/pulumi";

/** Changes the arguments of a child: properties that override the defaults, or a function of them. */
export type Transform<Args> =
  | Partial<Args>
  | ((args: Args, options: pulumi.CustomResourceOptions) => Args);

/** Applies the change and returns name, arguments and options of the child, for its constructor. */
export function transform<Args extends object>(
  change: Transform<Args> | undefined,
  name: string,
  args: Args,
  options: pulumi.CustomResourceOptions,
): [string, Args, pulumi.CustomResourceOptions] {
  if (typeof change === "function") return [name, change(args, options), options];
  return [name, { ...args, ...change }, options];
}
