import * as s3 from "@aws-sdk/client-s3";

import type { Operations } from "../base/bridged.ts";
import type { Fields } from "../base/fields.ts";
import { isObject, type Properties, text, type Value } from "../base/properties.ts";
import { isMissing } from "./bucket.ts";
import { clients } from "./clients.ts";
import { fromApi, toApi } from "./spelling.ts";

interface Setting {
  fields: Fields;
  put: (bucket: string, inputs: Properties) => Promise<unknown>;
  get: (bucket: string) => Promise<Properties>;
  remove?: (bucket: string) => Promise<unknown>;
}

const send = ((command: never) => clients().s3.send(command)) as s3.S3Client["send"];

// Every setting of a bucket is one document, which the API writes, reads and removes as one.
function createOperations({ fields, put, get, remove }: Setting): Operations {
  return {
    fields: {
      bucket: { required: true, replace: true },
      region: { computed: true, replace: true },
      ...fields,
    },
    outputs: [],
    async create(_context, inputs) {
      await put(text(inputs.bucket), inputs);
      return text(inputs.bucket);
    },
    async read(_context, id) {
      try {
        return { bucket: id, region: clients().region, ...(await get(id)) };
      } catch (error) {
        if (isMissing(error)) return null;
        throw error;
      }
    },
    async update(_context, id, _state, news) {
      await put(id, news);
    },
    async delete(_context, id) {
      await remove?.(id).catch((error) => {
        if (!isMissing(error)) throw error;
      });
    },
  };
}

const tree = { kind: "tree" } as const;
const flag = { default: false };

function lifecycleRules(inputs: Properties): s3.LifecycleRule[] {
  const rules = (toApi(inputs.rules) ?? []) as s3.LifecycleRule[];
  // The API requires a filter in every rule; for the program it is optional.
  return rules.map((rule) => ({
    ...rule,
    Filter: rule.Filter ?? { Prefix: rule.Prefix ?? "" },
    Prefix: undefined,
  }));
}

function lifecycleState(rules: s3.LifecycleRule[] | undefined): Value {
  return fromApi(rules ?? []);
}

export const bucketSettings: Record<string, Operations> = {
  BucketLifecycleConfiguration: createOperations({
    fields: { rules: tree, transitionDefaultMinimumObjectSize: { computed: true } },
    put: (Bucket, inputs) =>
      send(
        new s3.PutBucketLifecycleConfigurationCommand({
          Bucket,
          LifecycleConfiguration: { Rules: lifecycleRules(inputs) },
        }),
      ),
    get: async (Bucket) => {
      const found = await send(new s3.GetBucketLifecycleConfigurationCommand({ Bucket }));
      return {
        rules: lifecycleState(found.Rules),
        transitionDefaultMinimumObjectSize: "all_storage_classes_128K",
      };
    },
    remove: (Bucket) => send(new s3.DeleteBucketLifecycleCommand({ Bucket })),
  }),

  BucketVersioning: createOperations({
    fields: { versioningConfiguration: { ...tree, required: true }, mfa: {} },
    put: (Bucket, inputs) =>
      send(
        new s3.PutBucketVersioningCommand({
          Bucket,
          VersioningConfiguration: toApi(inputs.versioningConfiguration) as never,
        }),
      ),
    get: async (Bucket) => {
      const { Status, MFADelete } = await send(new s3.GetBucketVersioningCommand({ Bucket }));
      return {
        versioningConfiguration: { status: Status ?? "Disabled", mfaDelete: MFADelete ?? "" },
      };
    },
    // Versioning can only be suspended. Existing versions stay.
    remove: (Bucket) =>
      send(
        new s3.PutBucketVersioningCommand({
          Bucket,
          VersioningConfiguration: { Status: "Suspended" },
        }),
      ),
  }),

  BucketServerSideEncryptionConfiguration: createOperations({
    fields: { rules: { ...tree, required: true } },
    put: (Bucket, inputs) =>
      send(
        new s3.PutBucketEncryptionCommand({
          Bucket,
          ServerSideEncryptionConfiguration: { Rules: toApi(inputs.rules) as never },
        }),
      ),
    get: async (Bucket) => {
      const found = await send(new s3.GetBucketEncryptionCommand({ Bucket }));
      return { rules: fromApi(found.ServerSideEncryptionConfiguration?.Rules ?? []) };
    },
    remove: (Bucket) => send(new s3.DeleteBucketEncryptionCommand({ Bucket })),
  }),

  BucketPublicAccessBlock: createOperations({
    fields: {
      blockPublicAcls: flag,
      blockPublicPolicy: flag,
      ignorePublicAcls: flag,
      restrictPublicBuckets: flag,
    },
    put: (Bucket, inputs) =>
      send(
        new s3.PutPublicAccessBlockCommand({
          Bucket,
          PublicAccessBlockConfiguration: {
            BlockPublicAcls: inputs.blockPublicAcls === true,
            BlockPublicPolicy: inputs.blockPublicPolicy === true,
            IgnorePublicAcls: inputs.ignorePublicAcls === true,
            RestrictPublicBuckets: inputs.restrictPublicBuckets === true,
          },
        }),
      ),
    get: async (Bucket) => {
      const found = await send(new s3.GetPublicAccessBlockCommand({ Bucket }));
      return fromApi(found.PublicAccessBlockConfiguration ?? {}) as Properties;
    },
    remove: (Bucket) => send(new s3.DeletePublicAccessBlockCommand({ Bucket })),
  }),

  BucketOwnershipControls: createOperations({
    fields: { rule: { ...tree, required: true } },
    put: (Bucket, inputs) =>
      send(
        new s3.PutBucketOwnershipControlsCommand({
          Bucket,
          OwnershipControls: { Rules: [toApi(inputs.rule) as never] },
        }),
      ),
    get: async (Bucket) => {
      const found = await send(new s3.GetBucketOwnershipControlsCommand({ Bucket }));
      return { rule: fromApi(found.OwnershipControls?.Rules?.[0] ?? {}) };
    },
    remove: (Bucket) => send(new s3.DeleteBucketOwnershipControlsCommand({ Bucket })),
  }),

  BucketPolicy: createOperations({
    fields: { policy: { kind: "json", required: true } },
    put: (Bucket, inputs) => {
      const Policy = isObject(inputs.policy) ? JSON.stringify(inputs.policy) : text(inputs.policy);
      return send(new s3.PutBucketPolicyCommand({ Bucket, Policy }));
    },
    get: async (Bucket) => ({
      policy: (await send(new s3.GetBucketPolicyCommand({ Bucket }))).Policy ?? "",
    }),
    remove: (Bucket) => send(new s3.DeleteBucketPolicyCommand({ Bucket })),
  }),

  BucketObjectLockConfiguration: createOperations({
    fields: { objectLockEnabled: { default: "Enabled", replace: true }, rule: tree, token: {} },
    put: (Bucket, inputs) => putLock(Bucket, toApi(inputs.rule) as s3.ObjectLockRule),
    get: async (Bucket) => {
      const found = (await send(new s3.GetObjectLockConfigurationCommand({ Bucket })))
        .ObjectLockConfiguration;
      return {
        objectLockEnabled: found?.ObjectLockEnabled ?? "Enabled",
        rule: fromApi(found?.Rule),
      };
    },
    // Locked versions stay locked. Only new versions have no lock.
    remove: (Bucket) => putLock(Bucket),
  }),
};

function putLock(Bucket: string, Rule?: s3.ObjectLockRule) {
  return send(
    new s3.PutObjectLockConfigurationCommand({
      Bucket,
      ObjectLockConfiguration: { ObjectLockEnabled: "Enabled", ...(Rule && { Rule }) },
    }),
  );
}
