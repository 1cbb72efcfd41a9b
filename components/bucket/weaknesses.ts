import type * as s3 from "@aws-sdk/client-s3";
import type { BucketSetting } from "../../config/choices.ts";

export interface Weakness {
  setting: BucketSetting;
  what: string;
  /** The service does not support this setting, so it cannot be changed either. */
  isUnsupported: boolean;
}

type ReadWeakness = (
  sdk: typeof s3,
  client: s3.S3Client,
  on: { Bucket: string },
) => Promise<string[]>;

/** Lists the settings in which a bucket is weaker than one that pgstead creates. */
export async function readWeaknesses(
  client: s3.S3Client,
  Bucket: string,
  ruleIds: string[],
): Promise<Weakness[]> {
  const sdk = await import("@aws-sdk/client-s3");
  const readers: Record<BucketSetting, ReadWeakness> = {
    publicAccess: readPublicAccess,
    ownership: readOwnership,
    encryption: readEncryption,
    versioning: readVersioning,
    policy: readPolicy,
    lifecycle: (...args) => readLifecycle(ruleIds, ...args),
  };
  const found: Weakness[] = [];
  for (const [setting, read] of Object.entries(readers) as [BucketSetting, ReadWeakness][]) {
    try {
      const lines = await read(sdk, client, { Bucket });
      found.push(...lines.map((what) => ({ setting, what, isUnsupported: false })));
    } catch (error) {
      if (!isUnsupported(error as Error)) throw error;
      found.push({ setting, what: "the service does not support it", isUnsupported: true });
    }
  }
  return found;
}

const isUnsupported = ({ name, $metadata }: Error & { $metadata?: { httpStatusCode?: number } }) =>
  /NotImplemented|MethodNotAllowed|NotSupported/.test(name) ||
  [405, 501].includes($metadata?.httpStatusCode ?? 0);

/** S3 answers with an error, one for each kind of setting, where nothing was ever set. */
async function findSetting<T>(answer: Promise<T>): Promise<T | undefined> {
  return answer.catch((error: Error) => {
    if (/^(NoSuch\w+|\w+NotFoundError)$/.test(error.name)) return undefined;
    throw error;
  });
}

async function readPublicAccess(...[sdk, client, on]: Parameters<ReadWeakness>) {
  const found = await findSetting(client.send(new sdk.GetPublicAccessBlockCommand(on)));
  const block = found?.PublicAccessBlockConfiguration ?? {};
  const names = [
    "BlockPublicAcls",
    "BlockPublicPolicy",
    "IgnorePublicAcls",
    "RestrictPublicBuckets",
  ] as const;
  const off = names.filter((name) => block[name] !== true);
  return off.length > 0 ? [`objects can be made public (${off.join(", ")} off)`] : [];
}

async function readOwnership(...[sdk, client, on]: Parameters<ReadWeakness>) {
  const found = await findSetting(client.send(new sdk.GetBucketOwnershipControlsCommand(on)));
  const rule = found?.OwnershipControls?.Rules?.[0]?.ObjectOwnership ?? "ObjectWriter";
  return rule === "BucketOwnerEnforced" ? [] : [`ACLs are enabled (${rule})`];
}

async function readEncryption(...[sdk, client, on]: Parameters<ReadWeakness>) {
  const found = await findSetting(client.send(new sdk.GetBucketEncryptionCommand(on)));
  const rules = found?.ServerSideEncryptionConfiguration?.Rules ?? [];
  return rules.some((rule) => rule.ApplyServerSideEncryptionByDefault?.SSEAlgorithm)
    ? []
    : ["objects are not encrypted by default"];
}

async function readVersioning(...[sdk, client, on]: Parameters<ReadWeakness>) {
  const { Status = "never enabled" } = await client.send(new sdk.GetBucketVersioningCommand(on));
  return Status === "Enabled" ? [] : [`old versions are not kept (${Status})`];
}

interface Statement {
  Sid?: string;
  Effect?: string;
  Condition?: { Bool?: Record<string, string> };
}

async function readPolicy(...[sdk, client, on]: Parameters<ReadWeakness>) {
  const found = await findSetting(client.send(new sdk.GetBucketPolicyCommand(on)));
  const statements: Statement[] = found?.Policy ? JSON.parse(found.Policy).Statement : [];
  const deniesHttp = ({ Effect, Condition }: Statement) =>
    Effect === "Deny" && String(Condition?.Bool?.["aws:SecureTransport"]) === "false";
  const foreign = statements.filter(({ Sid }) => Sid !== "OnlyTls" && Sid !== "OnlyTls12");
  return [
    ...(statements.some(deniesHttp) ? [] : ["plain http is allowed"]),
    ...(foreign.length > 0
      ? [
          `${foreign.length} statements of others would be removed (${foreign.map(({ Sid }) => Sid ?? "unnamed").join(", ")})`,
        ]
      : []),
  ];
}

async function readLifecycle(ruleIds: string[], ...[sdk, client, on]: Parameters<ReadWeakness>) {
  const found = await findSetting(client.send(new sdk.GetBucketLifecycleConfigurationCommand(on)));
  const foreign = (found?.Rules ?? []).filter(({ ID }) => !ruleIds.includes(ID ?? ""));
  return foreign.map(
    ({ ID, Filter, Expiration }) =>
      `the rule "${ID}" on "${Filter?.Prefix ?? ""}"${Expiration?.Days ? ` (${Expiration.Days} days)` : ""} is not in bucket.extraRules and would be removed`,
  );
}
