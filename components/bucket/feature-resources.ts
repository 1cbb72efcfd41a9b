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
import { explainSettingFailure } from "./bucket-failure.ts";
import type { LifecycleRule } from "./lifecycle.ts";
import { renderTlsOnlyPolicy } from "./policy.ts";

export interface ObjectLock {
  /**
   * Who may delete a locked version. With `GOVERNANCE`, whoever has `s3:BypassGovernanceRetention`; with
   * `COMPLIANCE`, nobody.
   */
  mode: "GOVERNANCE" | "COMPLIANCE";
  /** Days for which a new version stays locked. */
  days: number;
}

export interface SettingsArgs {
  /** Name of the bucket. */
  bucket: pulumi.Output<string>;
  /** ARN of the bucket. */
  arn: pulumi.Output<string>;
  /** Lifecycle rules to write. */
  rules: LifecycleRule[];
  /** Settings for which no resource is created. */
  without: readonly BucketSetting[];
  /** Default lock of new versions. @default - no lock */
  objectLock?: ObjectLock | undefined;
  /** ARN of the KMS key that encrypts objects. @default - S3's own keys (SSE-S3) */
  kmsKeyArn?: pulumi.Output<string> | undefined;
  /** Address of the service, for messages. @default - AWS */
  endpoint?: string | undefined;
  /** Changes the resources, after the defaults have been set. */
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

/** Creates one resource for each setting that protects a bucket, so that a preview shows each change. */
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
          // S3 then calls KMS once for many objects.
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
    const defaults = { ...on, policy: args.arn.apply(renderTlsOnlyPolicy) };
    // S3 refuses two changes of permissions at the same time.
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
      // S3 can lock only versions.
      child("object-lock", "objectLock", versioning),
    );
  }
}
