import type * as s3 from "@aws-sdk/client-s3";
import type { BucketSetting } from "../../config/choices.ts";
import { DEFAULTS } from "../../config/defaults.ts";
import { ConfigError } from "../error.ts";
import { explainBucketFailure } from "./bucket-failure.ts";
import { prefixesOf } from "./policy.ts";
import { readWeaknesses } from "./weaknesses.ts";

export interface SurveyArgs {
  /** Name of the bucket that is to be taken over. */
  bucketName: string;
  /** Name of the stack that will store its backups there. */
  stack: string;
  /** Prefix of every key of that stack. */
  prefix: string;
  /** Region that the bucket must be in. @default - any; requests go to us-east-1 */
  region?: string | undefined;
  /** Address of an S3-compatible service. @default - AWS */
  endpoint?: string | undefined;
  /** Put the bucket's name into the path of the URL. @default - true with an `endpoint` */
  pathStyle?: boolean | undefined;
  /** Settings that stay as they are, although they are weaker than pgstead's. */
  without: readonly BucketSetting[];
  /** Settings that `up` may change, because they are weaker than pgstead's. */
  raise: readonly BucketSetting[];
  /** Ids of the lifecycle rules that `up` will write. */
  ruleIds: string[];
}

/**
 * Inspects a bucket that is to be taken over, at each preview, and changes nothing. It refuses a weaker
 * setting that is named neither in `without` nor in `raise`, and a bucket with objects of others.
 */
export async function assertAdoptable(args: SurveyArgs): Promise<void> {
  const { S3Client } = await import("@aws-sdk/client-s3");
  const { region, endpoint } = args;
  const client = new S3Client({
    region: region ?? DEFAULTS.bucket.region,
    forcePathStyle: args.pathStyle ?? endpoint !== undefined,
    ...(endpoint && { endpoint }),
    maxAttempts: 2,
  });
  try {
    await assertExists(client, args);
    const lines = [
      ...(await describeForeignObjects(client, args)),
      ...(await describeWeaknesses(client, args)),
    ];
    if (lines.length === 0) return;
    throw new ConfigError(
      `the bucket "${args.bucketName}" cannot be taken over as it is:\n${lines.map((line) => `  ${line}`).join("\n")}`,
    );
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    const { name, message } = error as Error;
    const why =
      explainBucketFailure(args.bucketName, `${name} ${message}`) ?? `${name}: ${message}`;
    throw new ConfigError(`the bucket "${args.bucketName}" cannot be inspected: ${why}`);
  } finally {
    client.destroy();
  }
}

async function assertExists(client: s3.S3Client, { bucketName, region, endpoint }: SurveyArgs) {
  const { HeadBucketCommand } = await import("@aws-sdk/client-s3");
  const at = endpoint ? ` at ${endpoint}` : "";
  await client.send(new HeadBucketCommand({ Bucket: bucketName })).then(
    ({ BucketRegion }) => {
      if (!BucketRegion || !region || BucketRegion === region) return;
      throw createRegionError(bucketName, BucketRegion);
    },
    async (error: Error & { $metadata?: { httpStatusCode?: number }; $response?: Response }) => {
      const status = error.$metadata?.httpStatusCode;
      const found = error.$response?.headers?.["x-amz-bucket-region"];
      if (status === 301 || (status === 400 && found)) throw createRegionError(bucketName, found);
      if (status === 404) {
        throw new ConfigError(
          `there is no bucket "${bucketName}"${at} to take over; remove bucket.adopt, and up creates it`,
        );
      }
      throw await createAccessError(client, bucketName, at);
    },
  );
}

/** A HEAD has no error text. A listing tells wrong credentials from missing permissions. */
async function createAccessError(client: s3.S3Client, Bucket: string, at: string): Promise<Error> {
  const { ListObjectsV2Command } = await import("@aws-sdk/client-s3");
  const { name, message } = await client
    .send(new ListObjectsV2Command({ Bucket, MaxKeys: 1 }))
    .then(
      () => ({ name: "AccessDenied", message: "" }),
      (error: Error) => error,
    );
  if (name !== "AccessDenied") return Object.assign(new Error(message), { name });
  return new ConfigError(
    `the bucket "${Bucket}"${at} belongs to another account, or these credentials may not list it (s3:ListBucket)`,
  );
}

interface Response {
  headers?: Record<string, string>;
}

const createRegionError = (bucketName: string, region: string | undefined) =>
  new ConfigError(
    `the bucket "${bucketName}" is in another region; set bucket.region to "${region ?? "that one"}"`,
  );

/** Without a prefix of our own, the lifecycle rules would expire old versions of everybody's objects. */
async function describeForeignObjects(
  client: s3.S3Client,
  { bucketName, prefix, stack }: SurveyArgs,
) {
  const { ListObjectsV2Command } = await import("@aws-sdk/client-s3");
  const list = async (Prefix: string) => {
    const found = await client.send(
      new ListObjectsV2Command({ Bucket: bucketName, Prefix, Delimiter: "/" }),
    );
    const folders = (found.CommonPrefixes ?? []).map((one) => one.Prefix as string);
    return [...folders, ...(found.Contents ?? []).map(({ Key }) => Key as string)];
  };
  const ours = Object.values(prefixesOf(prefix));
  const foreign = (await list(prefix)).filter((key) => key !== prefix && !ours.includes(key));
  const owner = await readOwner(client, bucketName, await list(prefixesOf(prefix).dumps));
  const fix = `set bucket.prefix to a folder of its own, such as "${stack}/"`;
  return [
    ...(foreign.length > 0
      ? [
          `it holds objects of others (${shorten(foreign)}), whose old versions would expire: ${fix}`,
        ]
      : []),
    ...(owner && owner !== stack ? [`it holds the backups of stack "${owner}": ${fix}`] : []),
  ];
}

/** The stack that the newest manifest names. */
async function readOwner(client: s3.S3Client, Bucket: string, keys: string[]) {
  const manifests = keys.filter((key) => key.endsWith(".json"));
  const Key = manifests.at(-1);
  if (!Key) return undefined;
  const { GetObjectCommand } = await import("@aws-sdk/client-s3");
  const { Body } = await client.send(new GetObjectCommand({ Bucket, Key }));
  try {
    const { stack } = JSON.parse((await Body?.transformToString()) ?? "");
    return typeof stack === "string" ? stack : undefined;
  } catch {
    return undefined;
  }
}

async function describeWeaknesses(
  client: s3.S3Client,
  { bucketName, ruleIds, without, raise }: SurveyArgs,
) {
  const found = await readWeaknesses(client, bucketName, ruleIds);
  const open = found.filter(
    ({ setting }) => !without.includes(setting) && !raise.includes(setting),
  );
  return open.map(
    ({ setting, what, isUnsupported }) =>
      `${setting}: ${what}; ${isUnsupported ? "" : `add it to bucket.adopt.raise to have it changed, or `}add it to bucket.without to leave it so`,
  );
}

const shorten = (names: string[]) =>
  names.length > 4
    ? `${names.slice(0, 4).join(", ")} and ${names.length - 4} more`
    : names.join(", ");
