// Each file is imported by itself: Node cannot import the SDK's folders, and the whole SDK takes half a
// second to load.
import type { User } from "@pulumi/aws/iam/user.js";
import { getKey } from "@pulumi/aws/kms/getKey.js";
import { Key } from "@pulumi/aws/kms/key.js";
import { Provider } from "@pulumi/aws/provider.js";
import { Bucket, type BucketArgs } from "@pulumi/aws/s3/bucket.js";
import type { BucketLifecycleConfigurationArgs } from "@pulumi/aws/s3/bucketLifecycleConfiguration.js";
import type { BucketPolicyArgs } from "@pulumi/aws/s3/bucketPolicy.js";
import * as pulumi from "@pulumi/pulumi";
import type { BucketSetting } from "../../config/choices.ts";
import { DEFAULTS } from "../../config/defaults.ts";
import type { BucketSettings } from "../../operate/settings.ts";
import { ConfigError } from "../error.ts";
import { explainFailure } from "../guards/hooks.ts";
import { type Transform, transform } from "../transform.ts";
import { type Credentials, createUser, grantToRole, toCredentials } from "./access.ts";
import { explainBucketFailure, explainKeyFailure } from "./bucket-failure.ts";
import { createBucketSettings, type ObjectLock, type SettingsNodes } from "./feature-resources.ts";
import { lifecycleRules, type Retention } from "./lifecycle.ts";
import { renderAgentPolicy, renderPgbackrestPolicy } from "./policy.ts";

export interface BackupBucketArgs extends Retention {
  /**
   * Name of the bucket. Bucket names are unique in all of S3.
   * @default - the component's name with a random suffix
   */
  bucketName?: string | undefined;
  /**
   * Prefix of every key. Give each stack its own prefix where several stacks share a bucket.
   * @default ""
   * @example "team/"
   */
  prefix?: string;
  /**
   * Region of the bucket.
   * @default - the region of the AWS provider; "us-east-1" with an `endpoint`
   */
  region?: string | undefined;
  /**
   * Address of an S3-compatible service.
   * @default - AWS
   * @example "https://s3.example.com"
   */
  endpoint?: string | undefined;
  /**
   * Address of the service's IAM API, which creates keys. Without it, `endpoint` needs an `accessKey`.
   * @default - AWS without an `endpoint`, else none
   */
  iamEndpoint?: string | undefined;
  /**
   * Put the bucket's name into the path of the URL (`endpoint/bucket`), not into its host name.
   * @default - true with an `endpoint`
   */
  pathStyle?: boolean;
  /**
   * Refuse requests without TLS 1.2 or later.
   * @default - true, except for an `endpoint` of plain http
   */
  requireTls?: boolean;
  /**
   * Access key for the agent. It needs the permissions that docs/bucket.md lists.
   * @default - the component creates a user with a key
   */
  accessKey?: { id: pulumi.Input<string>; secret: pulumi.Input<string> } | undefined;
  /**
   * Role of the machine that runs the agent. The role gets the agent's permissions, and no key is created.
   * @default - the agent uses a key
   * @example "arn:aws:iam::123456789012:role/db-host"
   */
  roleArn?: string | undefined;
  /** Create a second key for pgBackRest. It may delete, under its own prefix only. @default false */
  pgbackrest?: boolean;
  /** ARN of the KMS key that encrypts objects; `"make"` creates a key. @default - S3's own keys (SSE-S3) */
  kmsKey?: string | undefined;
  /** Address of the KMS that belongs to `endpoint`. @default - AWS */
  kmsEndpoint?: string | undefined;
  /**
   * Lock each new version for some days, in which nobody can delete it.
   * @default - no lock
   * @example { mode: "COMPLIANCE", days: 30 }
   */
  objectLock?: ObjectLock | undefined;
  /**
   * Settings that the component does not write, because the service does not support them or because an
   * adopted bucket keeps its own.
   * @default []
   * @example ["versioning"]
   */
  without?: BucketSetting[];
  /**
   * Take over the existing bucket `bucketName`. Pulumi never deletes it, and the bucket keeps its settings
   * after the component is removed. Call `assertAdoptable` first.
   * @default false
   */
  adopt?: boolean;
  /**
   * Refuse to delete the bucket. Set it to false only where nobody needs the backups.
   * @default true
   */
  protect?: boolean;
  /** Tags for every resource that supports them. @default - no tags */
  tags?: pulumi.Input<Record<string, pulumi.Input<string>>>;
  /**
   * Changes the resources, after the defaults have been set.
   * @example { bucket: { tags: { team: "data" } } }
   */
  transform?: {
    bucket?: Transform<BucketArgs>;
    lifecycle?: Transform<BucketLifecycleConfigurationArgs>;
    policy?: Transform<BucketPolicyArgs>;
  };
}

/**
 * Creates the S3 bucket that backups are uploaded to, and the agent's key for it. The bucket is private,
 * encrypted and versioned, and it expires old backups.
 *
 * ### Cost
 * A month of daily dumps of 1 GB each is 30 GB: about 0.70 USD a month in standard storage.
 *
 * @example
 * const bucket = new BackupBucket("backups", { retentionDays: 60 });
 */
export class BackupBucket extends pulumi.ComponentResource {
  /** Name of the bucket, which may be generated. */
  readonly bucketName: pulumi.Output<string>;
  /** The agent's settings for the bucket. The caller adds the path of the key's file. */
  readonly settings: pulumi.Output<BucketSettings>;
  /** The content of the key's file: JSON, a secret. Undefined with a `roleArn`. */
  readonly credentials: Credentials | undefined;
  /** The key of pgBackRest as JSON, a secret. Undefined without `pgbackrest`. */
  readonly pgbackrestCredentials: Credentials | undefined;
  /** The child resources. */
  readonly nodes: SettingsNodes & {
    bucket: Bucket;
    key: Key | undefined;
    user: User | undefined;
  };

  constructor(name: string, args: BackupBucketArgs = {}, opts?: pulumi.ComponentResourceOptions) {
    super("pgstead:index:BackupBucket", name, {}, opts);

    const { endpoint, tags } = args;
    const prefix = args.prefix ?? "";
    // Other services than AWS accept any region. Without a region, AWS uses the provider's.
    const region = args.region ?? (endpoint && DEFAULTS.bucket.region);
    const pathStyle = args.pathStyle ?? endpoint !== undefined;
    const rules = lifecycleRules(name, prefix, args);
    const without = normalizeWithout(name, args);
    assertAccessArgs(name, args);

    const child = { parent: this, ...(region && { provider: createProvider(region, this) }) };
    const bucket = args.adopt ? findBucket(args.bucketName as string) : createBucket();
    const key = args.kmsKey === "make" ? createKmsKey() : undefined;
    const kmsKeyArn = key?.arn ?? (args.kmsKey ? findKmsKey(args.kmsKey) : undefined);
    const settings = createBucketSettings(
      name,
      { ...args, bucket: bucket.bucket, arn: bucket.arn, rules, without, kmsKeyArn },
      // An adopted bucket keeps its settings: it would be public without them.
      { ...child, ...(args.adopt && { retainOnDelete: true }) },
    );
    const agent = createAgentAccess();
    const pgbackrest = args.pgbackrest ? createPgbackrest() : undefined;

    this.bucketName = bucket.bucket;
    this.settings = pulumi.all([bucket.bucket, bucket.region]).apply(([bucketName, found]) => ({
      name: bucketName,
      region: region ?? found,
      pathStyle,
      prefix,
      ...(endpoint && { endpoint }),
    }));
    this.credentials = agent.credentials;
    this.pgbackrestCredentials = pgbackrest?.credentials;
    this.nodes = { ...settings, bucket, key, user: agent.user };
    this.registerOutputs({ bucketName: this.bucketName });

    function createProvider(region: string, parent: pulumi.Resource) {
      const { iamEndpoint, kmsEndpoint } = args;
      if (!endpoint) return new Provider(`${name}-service`, { region }, { parent });
      const endpoints = {
        s3: endpoint,
        ...(iamEndpoint && { iam: iamEndpoint }),
        ...(kmsEndpoint && { kms: kmsEndpoint }),
      };
      return new Provider(
        `${name}-service`,
        {
          region,
          endpoints: [endpoints],
          s3UsePathStyle: pathStyle,
          // These are checks that only AWS can answer.
          skipCredentialsValidation: true,
          skipMetadataApiCheck: true,
          skipRequestingAccountId: true,
          skipRegionValidation: true,
        },
        { parent },
      );
    }

    function createBucket() {
      const defaults: BucketArgs = {
        ...(args.bucketName && { bucket: args.bucketName }),
        // S3 then refuses to delete a bucket that holds objects.
        forceDestroy: false,
        ...(args.objectLock && { objectLockEnabled: true }),
        ...(tags && { tags }),
      };
      const explain = (error: string) => explainBucketFailure(args.bucketName, error);
      const options = {
        ...child,
        protect: args.protect ?? true,
        // A lock that is added later changes this bucket. It must not replace the bucket.
        ignoreChanges: ["objectLockEnabled"],
        hooks: explainFailure(name, explain),
      };
      return new Bucket(...transform(args.transform?.bucket, name, defaults, options));
    }

    function findBucket(bucketName: string) {
      return Bucket.get(`${name}-adopted`, bucketName, undefined, child);
    }

    function createKmsKey() {
      return new Key(
        `${name}-key`,
        {
          description: `backups of ${pulumi.getProject()}-${pulumi.getStack()}`,
          enableKeyRotation: true,
          // Nobody can read a backup without its key, so a deletion can be undone for a month.
          deletionWindowInDays: 30,
          ...(tags && { tags }),
        },
        { ...child, protect: args.protect ?? true },
      );
    }

    /** Reads the key at preview. A missing or forbidden key would otherwise fail at the first upload. */
    function findKmsKey(keyId: string) {
      const found = getKey({ keyId }, child).then(
        ({ arn, enabled }) => {
          if (enabled) return arn;
          throw new ConfigError(
            `the KMS key ${keyId} of "${name}" is disabled; enable it, or set bucket.kmsKey to another key`,
          );
        },
        (error: Error) => {
          throw new ConfigError(explainKeyFailure(keyId, error.message));
        },
      );
      return pulumi.output(found);
    }

    function createAgentAccess(): { user?: User; credentials?: Credentials } {
      if (args.accessKey) return { credentials: toCredentials(args.accessKey) };
      const policy = pulumi
        .all([bucket.arn, kmsKeyArn])
        .apply(([arn, keyArn]) => renderAgentPolicy(arn, prefix, keyArn));
      if (!args.roleArn) return createUser(`${name}-agent`, { policy, tags }, child);
      grantToRole(`${name}-agent`, { policy, roleArn: args.roleArn }, child);
      return {};
    }

    function createPgbackrest() {
      const policy = pulumi
        .all([bucket.arn, kmsKeyArn])
        .apply(([arn, keyArn]) => renderPgbackrestPolicy(arn, prefix, keyArn));
      return createUser(`${name}-pgbackrest`, { policy, tags }, child);
    }
  }
}

function normalizeWithout(name: string, args: BackupBucketArgs): BucketSetting[] {
  const { without = [], objectLock, kmsKey, endpoint, adopt, bucketName } = args;
  if (objectLock && without.includes("versioning")) {
    throw new ConfigError(
      `"objectLock" of "${name}" needs versions; remove "versioning" from "without"`,
    );
  }
  if (kmsKey && without.includes("encryption")) {
    throw new ConfigError(
      `"kmsKey" of "${name}" needs encryption; remove "encryption" from "without"`,
    );
  }
  if (adopt && !bucketName) {
    throw new ConfigError(
      `"adopt" of "${name}" needs the bucket's name; set bucket.name (in code: "bucketName")`,
    );
  }
  const requireTls = args.requireTls ?? !endpoint?.startsWith("http:");
  return requireTls ? without : [...without, "policy"];
}

function assertAccessArgs(name: string, args: BackupBucketArgs) {
  const { accessKey, roleArn, endpoint, iamEndpoint, pgbackrest } = args;
  if (accessKey && roleArn) {
    throw new ConfigError(
      `"${name}" has both "accessKey" and "roleArn"; the agent uses one of them, so remove the other`,
    );
  }
  if (accessKey && iamEndpoint) {
    throw new ConfigError(
      `"${name}" has both "accessKey" and "iamEndpoint"; remove "iamEndpoint", which is needed only to create a key`,
    );
  }
  if (endpoint && !iamEndpoint && (!accessKey || pgbackrest)) {
    throw new ConfigError(
      `"${name}" has the endpoint ${endpoint}, where no key can be created; set "accessKey", or "iamEndpoint" if the service has one`,
    );
  }
}
