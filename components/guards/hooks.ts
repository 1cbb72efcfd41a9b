import * as pulumi from "@pulumi/pulumi";

/** Runs before the resource is created. An error refuses the creation. */
export function beforeCreate(
  name: string,
  run: () => Promise<void>,
  options?: pulumi.ResourceHookOptions,
): pulumi.ResourceHookBinding {
  return isSupported("registerResourceHook")
    ? { beforeCreate: [new pulumi.ResourceHook(name, run, options)] }
    : {};
}

/**
 * Runs before the resource is created or updated. An after-hook would not do: after its error the state
 * already has the change, and the next `up` shows "unchanged".
 */
export function beforeChange(name: string, run: () => Promise<void>): pulumi.ResourceHookBinding {
  const { beforeCreate: hooks } = beforeCreate(name, run);
  return hooks ? { beforeCreate: hooks, beforeUpdate: hooks } : {};
}

/**
 * Adds the cause and the fix to Pulumi's diagnostics, because a provider's last message does not always
 * say what is wrong. The operation is not repeated.
 */
export function explainFailure(
  name: string,
  explain: (error: string) => string | undefined | Promise<string | undefined>,
): pulumi.ResourceHookBinding {
  if (!isSupported("registerErrorHook")) return {};
  const hook = new pulumi.ErrorHook(`${name}-failed`, async ({ errors }) => {
    const explained = await explain(errors[0] ?? "");
    if (explained) await pulumi.log.error(explained);
    return false;
  });
  return { onError: [hook] };
}

/** The mocks of the SDK do not support hooks: a component that has one would never finish. */
const isSupported = (registration: "registerResourceHook" | "registerErrorHook") =>
  registration in (pulumi.runtime.getMonitor() ?? {});
