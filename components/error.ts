import { RunError } from "@pulumi/pulumi";

/** A mistake in what a component was given: Pulumi shows the message without a stack. */
export class ConfigError extends RunError {
  constructor(message: string) {
    super(message);
    this.name = "ConfigError";
  }
}
