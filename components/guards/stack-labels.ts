import * as pulumi from "@pulumi/pulumi";

export const PROJECT_LABEL = "pgstead.project";
export const STACK_LABEL = "pgstead.stack";

/** Project and stack only, for good: a changed label replaces a volume, and a network. */
export const stackLabels = () => [
  { label: PROJECT_LABEL, value: pulumi.getProject() },
  { label: STACK_LABEL, value: pulumi.getStack() },
];
