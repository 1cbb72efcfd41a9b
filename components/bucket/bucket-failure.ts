import type { BucketSetting } from "../../config/choices.ts";
import { describeLack } from "./features.ts";

/** Explains why a bucket could not be created, and what to do; undefined where S3's message is enough. */
export function explainBucketFailure(bucketName: string | undefined, error: string) {
  const name = bucketName ? `"${bucketName}"` : "of this name";
  if (/BucketAlreadyOwnedByYou/.test(error)) {
    return `a bucket ${name} of this account exists and does not belong to this stack; set bucket.name to another name, or take the bucket over with bucket.adopt (docs/bucket.md)`;
  }
  if (/BucketAlreadyExists|bucket name is not available|bucket already exists/i.test(error)) {
    return `a bucket ${name} exists and belongs to somebody else (names are unique in all of S3); set bucket.name to another name, or remove it for a generated name; if the bucket is yours, take it over with bucket.adopt (docs/bucket.md)`;
  }
  if (/could not load credentials|no valid credential|no EC2 IMDS role found/i.test(error)) {
    return `there are no credentials for the bucket; set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or log in with "aws sso login"`;
  }
  if (
    /expired|InvalidAccessKeyId|does not exist in our records|security token .* is invalid|InvalidClientTokenId|SignatureDoesNotMatch|AuthFailure/i.test(
      error,
    )
  ) {
    return `the credentials for the bucket have expired or are not valid for this service; renew them ("aws sso login", or new AWS_* variables) and run the command again`;
  }
  if (
    /PermanentRedirect|AuthorizationHeaderMalformed|IllegalLocationConstraint|StatusCode: 301/i.test(
      error,
    )
  ) {
    return `the bucket ${name} or its service is in another region; set bucket.region to that region`;
  }
  if (/AccessDenied|Forbidden|StatusCode: 403/i.test(error)) {
    return `the credentials may not create or read the bucket ${name}; they need s3:CreateBucket, s3:ListBucket and the s3:GetBucket* and s3:PutBucket* permissions that docs/bucket.md lists`;
  }
  return undefined;
}

/** Explains why a setting of a bucket could not be written: not every service supports all of them. */
export function explainSettingFailure(
  setting: BucketSetting | "objectLock",
  endpoint: string | undefined,
  error: string,
): string | undefined {
  const service = endpoint ?? "S3";
  const unsupported =
    /NotImplemented|MethodNotAllowed|UnsupportedOperation|NotSupported|StatusCode: (501|405)|not (yet )?(implemented|supported)/i;
  if (setting === "objectLock") {
    if (!unsupported.test(error) && !/ObjectLock|InvalidBucketState|InvalidRequest/i.test(error)) {
      return explainBucketFailure(undefined, error);
    }
    return `${service} does not lock objects in this bucket; remove bucket.objectLock, or use a bucket and a service that support it`;
  }
  if (!unsupported.test(error)) return explainBucketFailure(undefined, error);
  return `${service} does not support "${setting}"; add "${setting}" to bucket.without to go on without it (${describeLack(setting)})`;
}

/** Explains why a KMS key cannot be used, and what to set. */
export function explainKeyFailure(keyId: string, error: string): string {
  const known = explainBucketFailure(undefined, error);
  const isAboutKey =
    /NotFoundException|AccessDenied|not authorized|InvalidArn|does not exist/i.test(error);
  const why = isAboutKey || !known ? firstLine(error) : known;
  return `the KMS key ${keyId} cannot be used: ${why}; set bucket.kmsKey to the ARN of a key that these credentials may describe (kms:DescribeKey), in the bucket's region, or to "make"`;
}

const firstLine = (text: string) => text.trim().split("\n")[0];
