import type * as s3 from "@aws-sdk/client-s3";
import type { BucketSetting } from "../../config/choices.ts";
import { DEFAULTS } from "../../config/defaults.ts";
import { ConfigError } from "../error.ts";
import { explainBucketFailure } from "./failure.ts";
import { prefixesOf } from "./policy.ts";
import { readWeaknesses } from "./weaknesses.ts";

export interface SurveyArgs {
  bucketName: string;
  /** Whose backups are to lie there. */
  stack: string;
  prefix: string;
  region?: string | undefined;
  endpoint?: string | undefined;
  pathStyle?: boolean | undefined;
  /** Weaker settings that are left as they are. */
  without: readonly BucketSetting[];
  /** Weaker settings that are to be changed. */
  raise: readonly BucketSetting[];
  /** Ids of the lifecycle rules that will stand there. */
  ruleIds: string[];
}

/**
 * Looks at a bucket that is to be taken over, at each preview, and changes nothing. Refused is what
 * nobody has agreed to by name: a weaker setting, and objects of somebody else.
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
    await assertFound(client, args);
    const lines = [...(await strangers(client, args)), ...(await weaker(client, args))];
    if (lines.length === 0) return;
    throw new ConfigError(
      `the bucket "${args.bucketName}" cannot be taken over as it is:\n${lines.map((line) => `  ${line}`).join("\n")}`,
    );
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    const { name, message } = error as Error;
    const why =
      explainBucketFailure(args.bucketName, `${name} ${message}`) ?? `${name}: ${message}`;
    throw new ConfigError(`the bucket "${args.bucketName}" cannot be looked at: ${why}`);
  } finally {
    client.destroy();
  }
}

async function assertFound(client: s3.S3Client, { bucketName, region, endpoint }: SurveyArgs) {
  const { HeadBucketCommand } = await import("@aws-sdk/client-s3");
  const at = endpoint ? ` at ${endpoint}` : "";
  await client.send(new HeadBucketCommand({ Bucket: bucketName })).then(
    ({ BucketRegion }) => {
      if (!BucketRegion || !region || BucketRegion === region) return;
      throw elsewhere(bucketName, BucketRegion);
    },
    async (error: Error & { $metadata?: { httpStatusCode?: number }; $response?: Response }) => {
      const status = error.$metadata?.httpStatusCode;
      const found = error.$response?.headers?.["x-amz-bucket-region"];
      if (status === 301 || (status === 400 && found)) throw elsewhere(bucketName, found);
      if (status === 404) {
        throw new ConfigError(
          `there is no bucket "${bucketName}"${at} to take over; leave bucket.adopt out, and it is made`,
        );
      }
      throw await forbidden(client, bucketName, at);
    },
  );
}

/** The answer to a HEAD has no words; those to a listing tell wrong credentials from missing rights. */
async function forbidden(client: s3.S3Client, Bucket: string, at: string): Promise<Error> {
  const { ListObjectsV2Command } = await import("@aws-sdk/client-s3");
  const { name, message } = await client
    .send(new ListObjectsV2Command({ Bucket, MaxKeys: 1 }))
    .then(
      () => ({ name: "AccessDenied", message: "" }),
      (error: Error) => error,
    );
  if (name !== "AccessDenied") return Object.assign(new Error(message), { name });
  return new ConfigError(
    `the bucket "${Bucket}"${at} belongs to another account, or these credentials may not look at it (s3:ListBucket)`,
  );
}

interface Response {
  headers?: Record<string, string>;
}

const elsewhere = (bucketName: string, region: string | undefined) =>
  new ConfigError(
    `the bucket "${bucketName}" lies in another region; set bucket.region to "${region ?? "that one"}"`,
  );

/** Where there is no folder of our own, old versions of everybody's objects would expire. */
async function strangers(client: s3.S3Client, { bucketName, prefix, stack }: SurveyArgs) {
  const { ListObjectsV2Command } = await import("@aws-sdk/client-s3");
  const list = async (Prefix: string) => {
    const found = await client.send(
      new ListObjectsV2Command({ Bucket: bucketName, Prefix, Delimiter: "/" }),
    );
    const folders = (found.CommonPrefixes ?? []).map((one) => one.Prefix as string);
    return [...folders, ...(found.Contents ?? []).map(({ Key }) => Key as string)];
  };
  const ours = Object.values(prefixesOf(prefix));
  const others = (await list(prefix)).filter((key) => key !== prefix && !ours.includes(key));
  const owner = await ownerOf(client, bucketName, await list(prefixesOf(prefix).dumps));
  const fix = `set bucket.prefix to a folder of its own, such as "${stack}/"`;
  return [
    ...(others.length > 0
      ? [
          `objects of somebody else lie there (${some(others)}), and their old versions would expire: ${fix}`,
        ]
      : []),
    ...(owner && owner !== stack ? [`the backups of stack "${owner}" lie there: ${fix}`] : []),
  ];
}

/** The stack whose backup lies there, as the newest of its manifests says. */
async function ownerOf(client: s3.S3Client, Bucket: string, keys: string[]) {
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

async function weaker(client: s3.S3Client, { bucketName, ruleIds, without, raise }: SurveyArgs) {
  const found = await readWeaknesses(client, bucketName, ruleIds);
  const open = found.filter(
    ({ setting }) => !without.includes(setting) && !raise.includes(setting),
  );
  return open.map(
    ({ setting, what, isLacking }) =>
      `${setting}: ${what}; ${isLacking ? "" : `add it to bucket.adopt.raise to have it changed, or `}add it to bucket.without to leave it so`,
  );
}

const some = (names: string[]) =>
  names.length > 4
    ? `${names.slice(0, 4).join(", ")} and ${names.length - 4} more`
    : names.join(", ");
