import { readFileSync } from "node:fs";
import type { S3Client, S3ClientConfig } from "@aws-sdk/client-s3";
import { type ExpectedError, mistake, unreachable } from "../../error.ts";
import type { BackupSettings, BucketSettings } from "../../settings.ts";
import { Seal } from "../format/seal.ts";

export interface Bucket {
  client: S3Client;
  name: string;
  /** What the seals of its manifests are judged by. */
  seal: Seal;
  /** `dumps/`, `keep/` under the stack's prefix. */
  key(name: string): string;
}

/** Opens the bucket for as long as `use` runs, and turns S3's errors into ones a person can act on. */
export async function withBucket<T>(
  backups: BackupSettings,
  use: (bucket: Bucket) => Promise<T>,
): Promise<T> {
  const settings = backups.bucket;
  if (!settings) throw mistake("this stack has no bucket; see docs/bucket.md");
  const seal = new Seal(backups);
  // The SDK tells operators of the Node it would rather have; its version is ours to choose.
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = "true";
  const { S3Client } = await import("@aws-sdk/client-s3");
  const client = new S3Client(await clientConfig(settings));
  try {
    return await use({
      client,
      seal,
      name: settings.name,
      key: (name) => `${settings.prefix}${name}`,
    });
  } catch (error) {
    throw bucketError(settings, error as Error);
  } finally {
    client.destroy();
  }
}

async function clientConfig(settings: BucketSettings): Promise<S3ClientConfig> {
  const { region, endpoint, pathStyle, credentialsFile, caFile } = settings;
  return {
    region,
    forcePathStyle: pathStyle,
    // With growing pauses, some ten seconds; what fails for longer is made up by the next run.
    maxAttempts: 5,
    // Not every S3-compatible service knows the newer checksums; where one is asked for, we say so.
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    ...(endpoint && { endpoint }),
    ...(credentialsFile && { credentials: readCredentials(credentialsFile) }),
    requestHandler: await requestHandler(caFile),
  };
}

/** A connection that goes silent is given up, not waited for: uploads are retried part by part. */
async function requestHandler(caFile: string | undefined) {
  const { Agent } = await import("node:https");
  return {
    connectionTimeout: 10_000,
    requestTimeout: 120_000,
    socketTimeout: 120_000,
    httpsAgent: new Agent({ keepAlive: true, ...(caFile && { ca: readFileSync(caFile) }) }),
  };
}

function readCredentials(file: string) {
  try {
    const { accessKeyId, secretAccessKey, sessionToken } = JSON.parse(readFileSync(file, "utf8"));
    if (accessKeyId && secretAccessKey) {
      return { accessKeyId, secretAccessKey, ...(sessionToken && { sessionToken }) };
    }
  } catch {
    // The parser's message would quote the file, and with it the secret.
  }
  throw mistake(
    `${file} must hold JSON with "accessKeyId" and "secretAccessKey"; "pgstead up" writes it`,
  );
}

const KMS_HINT =
  "the key may not use the bucket's KMS key (kms:GenerateDataKey, kms:Decrypt), or that key is disabled; compare with docs/bucket.md";

const HINTS: Record<string, string> = {
  NoSuchBucket: `it does not exist; "pgstead up" makes it`,
  AccessDenied: "the key may not do that; compare its policy with docs/bucket.md",
  Forbidden: "the key may not do that; compare its policy with docs/bucket.md",
  InvalidAccessKeyId: `the key is not known there (any more); "pgstead up" hands the agent a new one`,
  SignatureDoesNotMatch: `the secret does not fit the key; "pgstead up" hands the agent a new one`,
  ExpiredToken: "the credentials have expired",
  RequestTimeTooSkewed: "the clock of this machine is wrong",
  PermanentRedirect: `it lies in another region; set "bucket.region"`,
  ECONNREFUSED: "nothing listens there",
  ENOTFOUND: "there is no such host",
};

export function bucketError(settings: BucketSettings, error: Error): Error {
  const { $metadata, code } = error as Error & {
    $metadata?: { httpStatusCode?: number };
    code?: string;
  };
  const isOurs = (error as ExpectedError).exitCode !== undefined;
  if (isOurs || error.name === "AbortError" || (!$metadata && !code)) return error;
  const what = /kms:/i.test(error.message)
    ? KMS_HINT
    : (HINTS[error.name] ?? HINTS[code ?? ""] ?? (error.message || code));
  const status = $metadata?.httpStatusCode;
  const at = settings.endpoint ? ` at ${settings.endpoint}` : "";
  return unreachable(
    `bucket "${settings.name}"${at}: ${error.name}${status ? ` (HTTP ${status})` : ""}: ${what}`,
    error,
  );
}
