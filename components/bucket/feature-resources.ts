import {
  BucketLifecycleConfiguration,
  type BucketLifecycleConfigurationArgs,
} from "@pulumi/aws/s3/bucketLifecycleConfiguration.js";
import { BucketObjectLockConfiguration } from "@pulumi/aws/s3/bucketObjectLockConfiguration.js";
import { BucketOwnershipControls } from "@pulumi/aws/s3/bucketOwnershipControls.js";
import { BucketPolicy, type BucketPolicyArgs } from "@pulumi/aws/s3/bucketPolicy.js";
import { BucketPublicAccessBlock } from "@pulumi/aws/s3/bucketPublicAccessBlock.js";
import { BucketServerSideEncryptionConfiguration } from "@pulumi/aws/s3/bucketServerSideEncryptionConfiguration.js";
import { BucketVersioning } from "@pulumi/aws/s3/bucketVersioning.js";
import type * as pulumi from "@pulumi/pulumi";
import type { BucketSetting } from "../../config/choices.ts";
import { explainFailure } from "../guards/hooks.ts";
import { type Transform, transform } from "../transform.ts";
import { explainSettingFailure } from "./failure.ts";
import type { LifecycleRule } from "./lifecycle.ts";
import { tlsOnlyPolicy } from "./policy.ts";

export interface ObjectLock {
  /** `GOVERNANCE` can be lifted with a permission of its own, `COMPLIANCE` by nobody. */
  mode: "GOVERNANCE" | "COMPLIANCE";
  days: number;
}

export interface SettingsArgs {
  bucket: pulumi.Output<string>;
  arn: pulumi.Output<string>;
  rules: LifecycleRule[];
  without: readonly BucketSetting[];
  objectLock?: ObjectLock | undefined;
  /** ARN of a KMS key. @default - S3's own keys */
  kmsKeyArn?: pulumi.Output<string> | undefined;
  /** For messages. */
  endpoint?: string | undefined;
  transform?: {
    lifecycle?: Transform<BucketLifecycleConfigurationArgs>;
    policy?: Transform<BucketPolicyArgs>;
  };
}

export interface SettingsNodes {
  publicAccess: BucketPublicAccessBlock | undefined;
  ownership: BucketOwnershipControls | undefined;
  encryption: BucketServerSideEncryptionConfiguration | undefined;
  versioning: BucketVersioning | undefined;
  policy: BucketPolicy | undefined;
  lifecycle: BucketLifecycleConfiguration | undefined;
  objectLock: BucketObjectLockConfiguration | undefined;
}

/** What makes a bucket safe, as resources of its own, so that each is seen to change. */
export function createBucketSettings(
  name: string,
  args: SettingsArgs,
  options: pulumi.CustomResourceOptions,
): SettingsNodes {
  const on = { bucket: args.bucket };
  const has = (setting: BucketSetting) => !args.without.includes(setting);
  const publicAccess = has("publicAccess") ? createPublicAccess() : undefined;
  const ownership = has("ownership") ? createOwnership() : undefined;
  const encryption = has("encryption") ? createEncryption() : undefined;
  const versioning = has("versioning") ? createVersioning() : undefined;
  const policy = has("policy") ? createPolicy() : undefined;
  const lifecycle = has("lifecycle") ? createLifecycle() : undefined;
  const objectLock = args.objectLock ? createObjectLock(args.objectLock) : undefined;
  return { publicAccess, ownership, encryption, versioning, policy, lifecycle, objectLock };

  function child(kind: string, setting: BucketSetting | "objectLock", after?: pulumi.Resource) {
    const explain = (error: string) => explainSettingFailure(setting, args.endpoint, error);
    return {
      ...options,
      ...(after && { dependsOn: [after] }),
      hooks: explainFailure(`${name}-${kind}`, explain),
    };
  }

  function createPublicAccess() {
    return new BucketPublicAccessBlock(
      `${name}-public-access`,
      {
        ...on,
        blockPublicAcls: true,
        blockPublicPolicy: true,
        ignorePublicAcls: true,
        restrictPublicBuckets: true,
      },
      child("public-access", "publicAccess"),
    );
  }

  function createOwnership() {
    const rule = { objectOwnership: "BucketOwnerEnforced" };
    return new BucketOwnershipControls(
      `${name}-ownership`,
      { ...on, rule },
      child("ownership", "ownership"),
    );
  }

  function createEncryption() {
    const { kmsKeyArn } = args;
    const rule = kmsKeyArn
      ? {
          applyServerSideEncryptionByDefault: {
            sseAlgorithm: "aws:kms",
            kmsMasterKeyId: kmsKeyArn,
          },
          // One call to KMS for many objects instead of one each.
          bucketKeyEnabled: true,
        }
      : { applyServerSideEncryptionByDefault: { sseAlgorithm: "AES256" } };
    return new BucketServerSideEncryptionConfiguration(
      `${name}-encryption`,
      { ...on, rules: [rule] },
      child("encryption", "encryption"),
    );
  }

  function createVersioning() {
    const versioningConfiguration = { status: "Enabled" };
    return new BucketVersioning(
      `${name}-versioning`,
      { ...on, versioningConfiguration },
      child("versioning", "versioning"),
    );
  }

  function createPolicy() {
    const defaults = { ...on, policy: args.arn.apply(tlsOnlyPolicy) };
    // S3 refuses two changes of who may do what at the same time.
    const resourceOptions = child("policy", "policy", publicAccess);
    return new BucketPolicy(
      ...transform(args.transform?.policy, `${name}-policy`, defaults, resourceOptions),
    );
  }

  function createLifecycle() {
    const defaults = { ...on, rules: args.rules };
    const resourceOptions = child("lifecycle", "lifecycle", versioning);
    return new BucketLifecycleConfiguration(
      ...transform(args.transform?.lifecycle, `${name}-lifecycle`, defaults, resourceOptions),
    );
  }

  function createObjectLock(defaultRetention: ObjectLock) {
    return new BucketObjectLockConfiguration(
      `${name}-object-lock`,
      { ...on, rule: { defaultRetention } },
      // S3 locks versions, so there must be some.
      child("object-lock", "objectLock", versioning),
    );
  }
}
