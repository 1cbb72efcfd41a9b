import { quoteIfNeeded } from "../shell-quote.ts";
import type { Verb } from "../verb.ts";

export const outputs: Verb = {
  name: "outputs",
  where: "here",
  group: "stack",
  summary: "what an application needs: host, URLs, versions",
  options: [
    { flags: "--show-secrets", description: "print secrets in clear" },
    { flags: "--env", description: "as lines for a .env file, secrets in clear" },
    { flags: "--scheme <scheme>", description: "scheme of the URLs", default: "postgresql" },
  ],
  examples: [
    "pgstead outputs",
    "pgstead outputs --json --show-secrets",
    "pgstead outputs --env --scheme postgresql+asyncpg > .env",
  ],
  async run(context, { options }) {
    const { preparePulumi } = await import("../stack/pulumi/run-pulumi.ts");
    const { readOutputs, withScheme, asEnv } = await import("../stack/pulumi/outputs.ts");
    const run = await preparePulumi(await context.root(), await context.stack(), () => {});
    const showSecrets = Boolean(options.showSecrets || options.env);
    const values = withScheme(await readOutputs(run, showSecrets), options.scheme as string);
    if (options.env) {
      const lines = asEnv(values);
      context.print(Object.fromEntries(lines), () =>
        lines.map(([name, value]) => `${name}=${quoteIfNeeded(value)}`).join("\n"),
      );
      return;
    }
    context.print(values, () =>
      Object.entries(values)
        .map(([name, value]) => `${name.padEnd(16)} ${value ?? "-"}`)
        .join("\n"),
    );
  },
};
