import * as pulumi from "@pulumi/pulumi";

export const PROJECT_LABEL = "pgstead.project";
export const STACK_LABEL = "pgstead.stack";

/** These two labels must never change: Pulumi replaces a volume or a network when a label changes. */
export const stackLabels = () => [
  { label: PROJECT_LABEL, value: pulumi.getProject() },
  { label: STACK_LABEL, value: pulumi.getStack() },
];
