import type { BucketSetting } from "../../config/choices.ts";

/**
 * The settings of a bucket that can each be left out, and what the bucket is like without each. An
 * S3-compatible service may not support all of them; an adopted bucket may keep its own.
 */
const CONSEQUENCES: Record<BucketSetting, string> = {
  publicAccess: "an ACL or a policy could make objects public",
  ownership: "an object may belong to the account that wrote it",
  encryption: "the service stores objects without encryption by default",
  versioning: "an overwritten or deleted object cannot be recovered",
  policy: "plain http is allowed",
  lifecycle: "nothing expires, and the bucket grows without limit",
};

/** What is true of a bucket that lacks this setting. */
export const describeLack = (setting: BucketSetting) => CONSEQUENCES[setting];
