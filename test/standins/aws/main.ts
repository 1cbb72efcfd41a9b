import manifest from "@pulumi/aws/package.json" with { type: "json" };

import { bridged, type Operations } from "../base/bridged.ts";
import type { Resource } from "../base/resource.ts";
import { serve } from "../base/serve.ts";
import { bucket } from "./bucket.ts";
import { bucketSettings } from "./bucket-settings.ts";
import { connect } from "./clients.ts";
import { invokes } from "./functions.ts";
import { accessKey, role, rolePolicy, user, userPolicy } from "./identities.ts";
import { key } from "./keys.ts";

/** Says what the API said in the words of the official plugin: operation, status and code first. */
async function named<T>(operation: Promise<T>): Promise<T> {
  return operation.catch((error: Error & { $metadata?: { httpStatusCode?: number } }) => {
    const status = error.$metadata?.httpStatusCode;
    if (status !== undefined) {
      error.message = `https response error StatusCode: ${status}, api error ${error.name}: ${error.message}`;
    }
    throw error;
  });
}

function resource(operations: Operations): Resource {
  const { create, read, update, delete: remove } = operations;
  return bridged({
    ...operations,
    create: (...args) => named(create(...args)),
    read: (...args) => named(read(...args)),
    ...(update && { update: (...args) => named(update(...args)) }),
    delete: (...args) => named(remove(...args)),
  });
}

const resources: Record<string, Resource> = {
  "aws:s3/bucket:Bucket": resource(bucket),
  "aws:iam/user:User": resource(user),
  "aws:iam/userPolicy:UserPolicy": resource(userPolicy),
  "aws:iam/accessKey:AccessKey": resource(accessKey),
  "aws:iam/role:Role": resource(role),
  "aws:iam/rolePolicy:RolePolicy": resource(rolePolicy),
  "aws:kms/key:Key": resource(key),
};
for (const [name, operations] of Object.entries(bucketSettings)) {
  const module = `${name[0]!.toLowerCase()}${name.slice(1)}`;
  resources[`aws:s3/${module}:${name}`] = resource(operations);
}

serve({ name: "aws", version: manifest.version, resources, invokes, configure: connect });
