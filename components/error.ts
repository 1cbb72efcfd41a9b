/** A mistake in what a component was given: shown without a stack by whoever runs the program. */
export class ConfigError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "ConfigError";
  }
}
