import { RunError } from "@pulumi/pulumi";

/** A mistake in what a component was given: Pulumi shows the message without a stack. */
export class ConfigError extends RunError {
  constructor(message: string) {
    super(message);
    this.name = "ConfigError";
    // Nobody is shown it, and mapping it back to the sources costs the SDK 20 seconds.
    this.stack = "";
  }
}
