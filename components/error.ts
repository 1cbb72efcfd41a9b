import { RunError } from "@pulumi/pulumi";

/** A mistake in a component's arguments. Pulumi shows its message without a stack trace. */
export class ConfigError extends RunError {
  constructor(message: string) {
    super(message);
    this.name = "ConfigError";
  }
}
