import type * as s3 from "@aws-sdk/client-s3";
import type { BucketSetting } from "../../config/choices.ts";

export interface Weakness {
  setting: BucketSetting;
  what: string;
  /** The service does not know such a setting, so it cannot be changed either. */
  isLacking: boolean;
}

type Look = (sdk: typeof s3, client: s3.S3Client, on: { Bucket: string }) => Promise<string[]>;

/** In what a bucket is weaker than one that is made here; empty if in nothing. */
export async function readWeaknesses(
  client: s3.S3Client,
  Bucket: string,
  ruleIds: string[],
): Promise<Weakness[]> {
  const sdk = await import("@aws-sdk/client-s3");
  const looks: Record<BucketSetting, Look> = {
    ...{ publicAccess, ownership, encryption, versioning, policy },
    lifecycle: (...args) => lifecycle(ruleIds, ...args),
  };
  const found: Weakness[] = [];
  for (const [setting, look] of Object.entries(looks) as [BucketSetting, Look][]) {
    try {
      const lines = await look(sdk, client, { Bucket });
      found.push(...lines.map((what) => ({ setting, what, isLacking: false })));
    } catch (error) {
      if (!isLacking(error as Error)) throw error;
      found.push({ setting, what: "the service does not know it", isLacking: true });
    }
  }
  return found;
}

const isLacking = ({ name, $metadata }: Error & { $metadata?: { httpStatusCode?: number } }) =>
  /NotImplemented|MethodNotAllowed|NotSupported/.test(name) ||
  [405, 501].includes($metadata?.httpStatusCode ?? 0);

/** What was never set is answered with an error of its own name. */
async function orNothing<T>(asked: Promise<T>): Promise<T | undefined> {
  return asked.catch((error: Error) => {
    if (/^(NoSuch\w+|\w+NotFoundError)$/.test(error.name)) return undefined;
    throw error;
  });
}

async function publicAccess(...[sdk, client, on]: Parameters<Look>) {
  const found = await orNothing(client.send(new sdk.GetPublicAccessBlockCommand(on)));
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

async function ownership(...[sdk, client, on]: Parameters<Look>) {
  const found = await orNothing(client.send(new sdk.GetBucketOwnershipControlsCommand(on)));
  const rule = found?.OwnershipControls?.Rules?.[0]?.ObjectOwnership ?? "ObjectWriter";
  return rule === "BucketOwnerEnforced" ? [] : [`ACLs are in force (${rule})`];
}

async function encryption(...[sdk, client, on]: Parameters<Look>) {
  const found = await orNothing(client.send(new sdk.GetBucketEncryptionCommand(on)));
  const rules = found?.ServerSideEncryptionConfiguration?.Rules ?? [];
  return rules.some((rule) => rule.ApplyServerSideEncryptionByDefault?.SSEAlgorithm)
    ? []
    : ["objects are not encrypted by default"];
}

async function versioning(...[sdk, client, on]: Parameters<Look>) {
  const { Status = "never enabled" } = await client.send(new sdk.GetBucketVersioningCommand(on));
  return Status === "Enabled" ? [] : [`old versions are not kept (${Status})`];
}

interface Statement {
  Sid?: string;
  Effect?: string;
  Condition?: { Bool?: Record<string, string> };
}

async function policy(...[sdk, client, on]: Parameters<Look>) {
  const found = await orNothing(client.send(new sdk.GetBucketPolicyCommand(on)));
  const statements: Statement[] = found?.Policy ? JSON.parse(found.Policy).Statement : [];
  const deniesHttp = ({ Effect, Condition }: Statement) =>
    Effect === "Deny" && String(Condition?.Bool?.["aws:SecureTransport"]) === "false";
  const others = statements.filter(({ Sid }) => Sid !== "OnlyTls" && Sid !== "OnlyTls12");
  return [
    ...(statements.some(deniesHttp) ? [] : ["plain http is allowed"]),
    ...(others.length > 0
      ? [
          `${others.length} statements of somebody else would go (${others.map(({ Sid }) => Sid ?? "unnamed").join(", ")})`,
        ]
      : []),
  ];
}

async function lifecycle(ruleIds: string[], ...[sdk, client, on]: Parameters<Look>) {
  const found = await orNothing(client.send(new sdk.GetBucketLifecycleConfigurationCommand(on)));
  const others = (found?.Rules ?? []).filter(({ ID }) => !ruleIds.includes(ID ?? ""));
  return others.map(
    ({ ID, Filter, Expiration }) =>
      `the rule "${ID}" on "${Filter?.Prefix ?? ""}"${Expiration?.Days ? ` (${Expiration.Days} days)` : ""} is not in bucket.extraRules and would go`,
  );
}
