import type { BucketSetting } from "../../config/choices.ts";

/**
 * What a bucket can be told, each by itself, and what it is like without: a service may lack some, an
 * adopted bucket may keep its own.
 */
const WITHOUT: Record<BucketSetting, string> = {
  publicAccess: "an ACL or a policy could make objects public",
  ownership: "objects may belong to who wrote them",
  encryption: "objects lie there as the service stores them",
  versioning: "what is overwritten or deleted cannot be brought back",
  policy: "plain http is not refused",
  lifecycle: "nothing expires, and the bucket grows for ever",
};

export const withoutIt = (setting: BucketSetting) => WITHOUT[setting];
