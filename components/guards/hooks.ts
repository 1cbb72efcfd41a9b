import * as pulumi from "@pulumi/pulumi";

/** Runs before the resource is made, and a throw refuses it. */
export function beforeCreate(name: string, run: () => Promise<void>): pulumi.ResourceHookBinding {
  return isKnown("registerResourceHook")
    ? { beforeCreate: [new pulumi.ResourceHook(name, run)] }
    : {};
}

/** Before-hooks: one that throws after the fact fails once and is then "unchanged". */
export function beforeChange(name: string, run: () => Promise<void>): pulumi.ResourceHookBinding {
  const { beforeCreate: hooks } = beforeCreate(name, run);
  return hooks ? { beforeCreate: hooks, beforeUpdate: hooks } : {};
}

/**
 * What a provider says last is not always what is wrong: this adds the reason and the way out to the
 * final diagnostics. Nothing is tried again.
 */
export function explainFailure(
  name: string,
  explain: (error: string) => string | undefined | Promise<string | undefined>,
): pulumi.ResourceHookBinding {
  if (!isKnown("registerErrorHook")) return {};
  const hook = new pulumi.ErrorHook(`${name}-failed`, async ({ errors }) => {
    const explained = await explain(errors[0] ?? "");
    if (explained) await pulumi.log.error(explained);
    return false;
  });
  return { onError: [hook] };
}

/** The SDK's mocks know no hooks, and a component that has one would wait for ever. */
const isKnown = (registration: "registerResourceHook" | "registerErrorHook") =>
  registration in (pulumi.runtime.getMonitor() ?? {});
