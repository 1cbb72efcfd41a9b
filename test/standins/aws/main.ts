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

/** Formats an API error like the official plugin, with status and code before the message. */
async function withPluginMessage<T>(operation: Promise<T>): Promise<T> {
  return operation.catch((error: Error & { $metadata?: { httpStatusCode?: number } }) => {
    const status = error.$metadata?.httpStatusCode;
    if (status !== undefined) {
      error.message = `https response error StatusCode: ${status}, api error ${error.name}: ${error.message}`;
    }
    throw error;
  });
}

function createResource(operations: Operations): Resource {
  const { create, read, update, delete: remove } = operations;
  return bridged({
    ...operations,
    create: (...args) => withPluginMessage(create(...args)),
    read: (...args) => withPluginMessage(read(...args)),
    ...(update && { update: (...args) => withPluginMessage(update(...args)) }),
    delete: (...args) => withPluginMessage(remove(...args)),
  });
}

const resources: Record<string, Resource> = {
  "aws:s3/bucket:Bucket": createResource(bucket),
  "aws:iam/user:User": createResource(user),
  "aws:iam/userPolicy:UserPolicy": createResource(userPolicy),
  "aws:iam/accessKey:AccessKey": createResource(accessKey),
  "aws:iam/role:Role": createResource(role),
  "aws:iam/rolePolicy:RolePolicy": createResource(rolePolicy),
  "aws:kms/key:Key": createResource(key),
};
for (const [name, operations] of Object.entries(bucketSettings)) {
  const module = `${name[0]!.toLowerCase()}${name.slice(1)}`;
  resources[`aws:s3/${module}:${name}`] = createResource(operations);
}

serve({ name: "aws", version: manifest.version, resources, invokes, configure: connect });
