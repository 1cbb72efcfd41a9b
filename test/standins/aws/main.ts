import manifest from "@pulumi/aws/package.json" with { type: "json" };

import { bridged } from "../base/bridged.ts";
import type { Resource } from "../base/resource.ts";
import { serve } from "../base/serve.ts";
import { bucket } from "./bucket.ts";
import { bucketSettings } from "./bucket-settings.ts";
import { connect } from "./clients.ts";
import { invokes } from "./functions.ts";
import { accessKey, role, rolePolicy, user, userPolicy } from "./identities.ts";
import { key } from "./keys.ts";

const resources: Record<string, Resource> = {
  "aws:s3/bucket:Bucket": bridged(bucket),
  "aws:iam/user:User": bridged(user),
  "aws:iam/userPolicy:UserPolicy": bridged(userPolicy),
  "aws:iam/accessKey:AccessKey": bridged(accessKey),
  "aws:iam/role:Role": bridged(role),
  "aws:iam/rolePolicy:RolePolicy": bridged(rolePolicy),
  "aws:kms/key:Key": bridged(key),
};
for (const [name, operations] of Object.entries(bucketSettings)) {
  const module = `${name[0]!.toLowerCase()}${name.slice(1)}`;
  resources[`aws:s3/${module}:${name}`] = bridged(operations);
}

serve({ name: "aws", version: manifest.version, resources, invokes, configure: connect });
