import * as pulumi from "@pulumi/pulumi";
import { describeMistakes } from "./mistakes.ts";
import { parseConfig } from "./parse.ts";
import { describePlainSecrets } from "./plain-secrets.ts";
import type { StackConfig } from "./stack-config.ts";

/** Reads the stack's configuration; throws once, with every mistake in it. */
export function readConfig(): StackConfig {
  const secretKeys: string[] = JSON.parse(process.env.PULUMI_CONFIG_SECRET_KEYS || "[]");
  const isSecret = (key: string) => secretKeys.includes(key);
  const { values, mistakes } = parseConfig(pulumi.runtime.allConfig(), isSecret);
  if (values) {
    const warnings = describePlainSecrets(pulumi.getStack(), values, isSecret);
    for (const warning of warnings) void pulumi.log.warn(warning);
    return values;
  }
  // Pulumi shows the message of a RunError without its stack.
  throw new pulumi.RunError(describeMistakes(pulumi.getStack(), mistakes));
}
