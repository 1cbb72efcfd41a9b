import { readFileSync } from "node:fs";
import type { S3Client, S3ClientConfig } from "@aws-sdk/client-s3";
import { type ExpectedError, mistake, unreachable } from "../../error.ts";
import type { BackupSettings, BucketSettings } from "../../settings.ts";
import { Seal } from "../format/seal.ts";

export interface Bucket {
  client: S3Client;
  name: string;
  /** Checks the seals of its manifests and proofs. */
  seal: Seal;
  /** Adds the stack's prefix to a name such as `dumps/ID.json`. */
  key(name: string): string;
}

/** Connects to the bucket, and turns the errors of S3 into messages a person can act on. */
export async function withBucket<T>(
  backups: BackupSettings,
  use: (bucket: Bucket) => Promise<T>,
): Promise<T> {
  const settings = backups.bucket;
  if (!settings) throw mistake("this stack has no bucket; docs/bucket.md says how to add one");
  const seal = new Seal(backups);
  // Off, because operators do not choose the version of Node that the SDK warns about: pgstead does.
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = "true";
  const { S3Client } = await import("@aws-sdk/client-s3");
  const client = new S3Client(await buildClientConfig(settings));
  try {
    return await use({
      client,
      seal,
      name: settings.name,
      key: (name) => `${settings.prefix}${name}`,
    });
  } catch (error) {
    throw explainError(settings, error as Error);
  } finally {
    client.destroy();
  }
}

async function buildClientConfig(settings: BucketSettings): Promise<S3ClientConfig> {
  const { region, endpoint, pathStyle, credentialsFile, caFile } = settings;
  return {
    region,
    forcePathStyle: pathStyle,
    // About ten seconds in all. A longer failure is left to the next run.
    maxAttempts: 5,
    // Not every S3-compatible service knows the newer checksums, so each request names its own.
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    ...(endpoint && { endpoint }),
    ...(credentialsFile && { credentials: readCredentials(credentialsFile) }),
    requestHandler: await buildRequestHandler(caFile),
  };
}

/** Limit of a request that reads a list or a small file, with its repetitions. */
const LOOK_MS = 10_000;

/**
 * A service that accepts a connection and never answers must not hold up what does not need it (S35). The
 * transfer of a dump has no such limit; it begins after a list.
 */
export async function inTime<T>(ask: (abortSignal: AbortSignal) => Promise<T>): Promise<T> {
  const late = AbortSignal.timeout(LOOK_MS);
  try {
    return await ask(late);
  } catch (error) {
    if (!late.aborted) throw error;
    throw Object.assign(new Error(), { name: "NoAnswer", code: "NoAnswer" });
  }
}

/** A connection without traffic times out, so that the SDK can retry the part. */
async function buildRequestHandler(caFile: string | undefined) {
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
    // The parser's message is not used: it would quote the file, and with it the secret.
  }
  throw mistake(
    `${file} must hold JSON with "accessKeyId" and "secretAccessKey"; "pgstead up" writes it`,
  );
}

const KMS_HINT =
  "the access key may not use the bucket's KMS key (kms:GenerateDataKey, kms:Decrypt), or the KMS key is disabled; compare its policy with docs/bucket.md";

const POLICY_HINT = "the access key may not do that; compare its policy with docs/bucket.md";

const HINTS: Record<string, string> = {
  NoSuchBucket: `it does not exist; "pgstead up" creates it`,
  AccessDenied: POLICY_HINT,
  Forbidden: POLICY_HINT,
  InvalidAccessKeyId: `the service does not know the access key; "pgstead up" gives the agent a new one`,
  SignatureDoesNotMatch: `the secret does not belong to the access key; "pgstead up" gives the agent a new one`,
  ExpiredToken: "the credentials have expired",
  RequestTimeTooSkewed: "the clock of this machine is wrong",
  PermanentRedirect: `it is in another region; set "bucket.region"`,
  NoAnswer: `it accepts connections and does not answer within ${LOOK_MS / 1000} s`,
  ECONNREFUSED: "connection refused",
  ENOTFOUND: "no such host",
};

function explainError(settings: BucketSettings, error: Error): Error {
  const { $metadata, code } = error as Error & {
    $metadata?: { httpStatusCode?: number };
    code?: string;
  };
  const isOurs = (error as ExpectedError).exitCode !== undefined;
  if (isOurs || error.name === "AbortError" || (!$metadata && !code)) return error;
  const reason = /kms:/i.test(error.message)
    ? KMS_HINT
    : (HINTS[error.name] ?? HINTS[code ?? ""] ?? (error.message || code));
  const status = $metadata?.httpStatusCode;
  const at = settings.endpoint ? ` at ${settings.endpoint}` : "";
  return unreachable(
    `bucket "${settings.name}"${at}: ${error.name}${status ? ` (HTTP ${status})` : ""}: ${reason}`,
    error,
  );
}
