import type { BucketSetting } from "../../config/choices.ts";
import { withoutIt } from "./features.ts";

/** Why a bucket could not be made and what to do, where S3's own words do not say it. */
export function explainBucketFailure(bucketName: string | undefined, error: string) {
  const name = bucketName ? `"${bucketName}"` : "of this name";
  if (/BucketAlreadyOwnedByYou/.test(error)) {
    return `a bucket ${name} of this account exists and is not of this stack; set bucket.name to another, or take it over: bucket.adopt, see docs/bucket.md`;
  }
  if (/BucketAlreadyExists|bucket name is not available|bucket already exists/i.test(error)) {
    return `a bucket ${name} exists and belongs to somebody else (names are the same all over the world); set bucket.name to another, or leave it out and one is made up; if it is yours, take it over: bucket.adopt, see docs/bucket.md`;
  }
  if (/could not load credentials|no valid credential|no EC2 IMDS role found/i.test(error)) {
    return `there are no credentials for the bucket; set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or log in with "aws sso login"`;
  }
  if (
    /expired|InvalidAccessKeyId|does not exist in our records|security token .* is invalid|InvalidClientTokenId|SignatureDoesNotMatch|AuthFailure/i.test(
      error,
    )
  ) {
    return `the credentials for the bucket have expired or are not valid there; renew them ("aws sso login", or new AWS_* variables) and run this again`;
  }
  if (
    /PermanentRedirect|AuthorizationHeaderMalformed|IllegalLocationConstraint|StatusCode: 301/i.test(
      error,
    )
  ) {
    return `the bucket ${name} or its service is in another region; set bucket.region to that one`;
  }
  if (/AccessDenied|Forbidden|StatusCode: 403/i.test(error)) {
    return `the credentials may not make or read the bucket ${name}; they need s3:CreateBucket, s3:ListBucket and the s3:GetBucket*, s3:PutBucket* that docs/bucket.md lists`;
  }
  return undefined;
}

/** Why a bucket could not be told something: not every S3-compatible service knows everything. */
export function explainSettingFailure(
  setting: BucketSetting | "objectLock",
  endpoint: string | undefined,
  error: string,
): string | undefined {
  const service = endpoint ?? "S3";
  const lacks =
    /NotImplemented|MethodNotAllowed|UnsupportedOperation|NotSupported|StatusCode: (501|405)|not (yet )?(implemented|supported)/i;
  if (setting === "objectLock") {
    if (!lacks.test(error) && !/ObjectLock|InvalidBucketState|InvalidRequest/i.test(error)) {
      return explainBucketFailure(undefined, error);
    }
    return `${service} does not lock objects in this bucket; take bucket.objectLock away, or use a bucket and a service that can`;
  }
  if (!lacks.test(error)) return explainBucketFailure(undefined, error);
  return `${service} lacks what "${setting}" needs; add "${setting}" to bucket.without to do without it (${withoutIt(setting)})`;
}

export function explainKeyFailure(keyId: string, error: string): string {
  const known = explainBucketFailure(undefined, error);
  const isKeys = /NotFoundException|AccessDenied|not authorized|InvalidArn|does not exist/i.test(
    error,
  );
  const why = isKeys || !known ? firstLine(error) : known;
  return `the KMS key ${keyId} cannot be used: ${why}; set bucket.kmsKey to the ARN of a key that these credentials may describe (kms:DescribeKey), in the bucket's region, or to "make"`;
}

const firstLine = (text: string) => text.trim().split("\n")[0];
