import * as pulumi from "@pulumi/pulumi";

/**
 * What a provider says last is not always what is wrong: this adds the reason and the way out to the
 * final diagnostics. Nothing is tried again.
 */
export function explainFailure(
  name: string,
  explain: (error: string) => string | undefined | Promise<string | undefined>,
): pulumi.ErrorHook {
  return new pulumi.ErrorHook(`${name}-failed`, async ({ errors }) => {
    const explained = await explain(errors[0] ?? "");
    if (explained) await pulumi.log.error(explained);
    return false;
  });
}
