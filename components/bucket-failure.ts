/** Why a bucket could not be made and what to do, where S3's own words do not say it. */
export function explainBucketFailure(bucketName: string | undefined, error: string) {
  const name = bucketName ? `"${bucketName}"` : "of this name";
  if (/BucketAlreadyOwnedByYou/.test(error)) {
    return `a bucket ${name} of this account exists and is not of this stack; set bucket.name to another, or take it over with "pulumi import"`;
  }
  if (/BucketAlreadyExists|bucket name is not available|bucket already exists/i.test(error)) {
    return `a bucket ${name} exists and belongs to somebody else (names are the same all over the world); set bucket.name to another, or leave it out and one is made up`;
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
  return undefined;
}
