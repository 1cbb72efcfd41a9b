import { quoteForShell } from "../shell-quote.ts";
import type { Verb } from "../verb.ts";

/** The variables that `up` sets for Pulumi and a shell does not have. */
const NAMES = [
  "PATH",
  "PULUMI_BACKEND_URL",
  "PULUMI_CONFIG_PASSPHRASE",
  "PULUMI_SKIP_UPDATE_CHECK",
  "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION",
];

export const env: Verb = {
  name: "env",
  where: "here",
  group: "stack",
  summary: "shell lines that set the environment for `pulumi`; then type pulumi itself",
  examples: ['eval "$(pgstead env)" && pulumi preview --stack local'],
  async run(context) {
    const { preparePulumi } = await import("../stack/pulumi/run-pulumi.ts");
    const note = (line: string) => context.note(line);
    const run = await preparePulumi(await context.root(), await context.stack(), note);
    const changed = NAMES.filter((name) => run.env[name] !== process.env[name]);
    const values = Object.fromEntries(changed.map((name) => [name, run.env[name]]));
    context.print(values, () =>
      Object.entries(values)
        .map(([name, value]) => `export ${name}=${quoteForShell(String(value))}`)
        .join("\n"),
    );
  },
};
