import { expect, test } from "vitest";
import {
  explainBucketFailure,
  explainSettingFailure,
} from "../../components/bucket/bucket-failure.ts";
import { explainImageFailure } from "../../components/server/image-failure.ts";

// As the provider says them; what comes before and after differs from call to call.
test.each([
  ["api error BucketAlreadyExists: The requested bucket name is not available", "somebody else"],
  ["api error BucketAlreadyOwnedByYou: Your previous request succeeded", "of this account"],
  ["Could not load credentials from any providers", "set AWS_PROFILE"],
  ["no EC2 IMDS role found, operation error ec2imds", "set AWS_PROFILE"],
  ["api error PermanentRedirect: The bucket you are attempting to access", "set bucket.region"],
  ["StatusCode: 403, api error Forbidden: Forbidden", "s3:CreateBucket"],
  ["api error ExpiredToken: The provided token has expired.", "renew them"],
  ["api error InvalidAccessKeyId: does not exist in our records", "renew them"],
])("a bucket that fails with %s is explained", (error, way) => {
  expect(explainBucketFailure("backups", error)).toContain(way);
});

test.each([
  [
    "versioning",
    "api error NotImplemented: A header you provided",
    'add "versioning" to bucket.without',
  ],
  ["lifecycle", "https response error StatusCode: 501", "the bucket grows without limit"],
  ["publicAccess", "api error MethodNotAllowed", "an ACL or a policy could make"],
  ["objectLock", "api error NotImplemented", "remove bucket.objectLock"],
  [
    "objectLock",
    "InvalidBucketState: Object Lock configuration cannot be",
    "does not lock objects",
  ],
  ["policy", "api error ExpiredToken", "renew them"],
] as const)("a %s that fails with %s is explained", (setting, error, way) => {
  const told = explainSettingFailure(setting, "https://s3.example", error);
  expect(told).toContain(way);
  if (way !== "renew them") expect(told).toContain("https://s3.example");
});

test("what is not known is left to the provider's own words", async () => {
  expect(explainBucketFailure("backups", "SlowDown")).toBeUndefined();
  const source = { url: "http://127.0.0.1:1/x", sha256: "0" };
  expect(await explainImageFailure("no space left on device", source)).toBeUndefined();
});

test("a source that cannot be looked at from here is named with its expected sum", async () => {
  const source = { url: "http://127.0.0.1:1/x", sha256: "0".repeat(64) };
  expect(
    await explainImageFailure("[sh /tmp/compile-pgvector.sh]: exit code: 1", source),
  ).toContain(`the SHA-256 of ${source.url} must be ${source.sha256}`);
});
