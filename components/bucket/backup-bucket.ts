// File by file: plain Node cannot import the folders, and all of the SDK takes half a second to load.
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
import { asJson, type Credentials, createUser, grantToRole } from "./access.ts";
import { explainBucketFailure, explainKeyFailure } from "./failure.ts";
import { createBucketSettings, type ObjectLock, type SettingsNodes } from "./feature-resources.ts";
import { lifecycleRules, type Retention } from "./lifecycle.ts";
import { agentPolicy, pgbackrestPolicy } from "./policy.ts";

export interface BackupBucketArgs extends Retention {
  /** Name of the bucket, the same all over the world. @default - the component's, with a suffix */
  bucketName?: string | undefined;
  /** Prefix of every key, such as `team/`, for a bucket of several stacks. @default "" */
  prefix?: string;
  /** @default "us-east-1" */
  region?: string | undefined;
  /** Address of an S3-compatible service. @default - AWS */
  endpoint?: string | undefined;
  /** Address of its IAM service. Without one `accessKey` must be given. @default - AWS, or none */
  iamEndpoint?: string | undefined;
  /** `endpoint/bucket` instead of `bucket.endpoint`. @default - true with an `endpoint` */
  pathStyle?: boolean;
  /**
   * Refuse everything but TLS 1.2 and later.
   * @default - true, except for an `endpoint` that is itself plain http
   */
  requireTls?: boolean;
  /** Key for the agent, which needs what docs/bucket.md lists. @default - a user with a key is made */
  accessKey?: { id: pulumi.Input<string>; secret: pulumi.Input<string> } | undefined;
  /** Role of the machine that the agent runs on: it is allowed the same, and no key is made. */
  roleArn?: string | undefined;
  /** Make a key for pgBackRest, which may delete, but under its own prefix alone. @default false */
  pgbackrest?: boolean;
  /** ARN of the KMS key that encrypts, or `make`. @default - S3's own keys (SSE-S3) */
  kmsKey?: string | undefined;
  /** Address of the KMS of `endpoint`. @default - AWS */
  kmsEndpoint?: string | undefined;
  /** For so many days no version can be deleted. @default - whoever may delete can */
  objectLock?: ObjectLock | undefined;
  /** Settings that are left alone: the service lacks them, or an adopted bucket has its own. */
  without?: BucketSetting[];
  /**
   * Take over the bucket of this name, which exists. It is never deleted, and keeps its settings when
   * the component goes. Ask `assertAdoptable` first.
   * @default false
   */
  adopt?: boolean;
  /**
   * Refuse to delete the bucket. Turn off only where nobody needs the backups.
   * @default true
   */
  protect?: boolean;
  /** Tags for every resource that takes them. */
  tags?: pulumi.Input<Record<string, pulumi.Input<string>>>;
  /** Change the resources underneath, after the defaults above. */
  transform?: {
    bucket?: Transform<BucketArgs>;
    lifecycle?: Transform<BucketLifecycleConfigurationArgs>;
    policy?: Transform<BucketPolicyArgs>;
  };
}

/**
 * The S3 bucket that backups are uploaded to: private, encrypted, versioned; it forgets old ones by
 * itself. A month of daily dumps of 1 GB each is 30 GB: about 0.70 USD a month in standard storage.
 *
 * @example
 * const bucket = new BackupBucket("backups", { retentionDays: 60 });
 */
export class BackupBucket extends pulumi.ComponentResource {
  /** The generated bucket name. */
  readonly bucketName: pulumi.Output<string>;
  /** Where the agent finds the bucket; without the file of its key, which the agent's owner names. */
  readonly settings: pulumi.Output<BucketSettings>;
  /** The agent's key as JSON, a secret: the content of that file. None where it has a role. */
  readonly credentials: Credentials | undefined;
  /** The key of pgBackRest likewise, if one was asked for. */
  readonly pgbackrestCredentials: Credentials | undefined;
  /** The resources underneath, for what the outputs do not cover. */
  readonly nodes: SettingsNodes & {
    bucket: Bucket;
    key: Key | undefined;
    user: User | undefined;
  };

  constructor(name: string, args: BackupBucketArgs = {}, opts?: pulumi.ComponentResourceOptions) {
    super("pgstead:index:BackupBucket", name, {}, opts);

    const { endpoint, tags } = args;
    const prefix = args.prefix ?? "";
    // A service that is not AWS takes any region; at AWS it is the provider's unless one is given.
    const region = args.region ?? (endpoint && DEFAULTS.bucket.region);
    const pathStyle = args.pathStyle ?? endpoint !== undefined;
    const rules = lifecycleRules(name, prefix, args);
    const without = normalizeWithout(name, args);
    assertAccess(name, args);

    const child = { parent: this, ...(region && { provider: createProvider(region, this) }) };
    const bucket = args.adopt ? findBucket(args.bucketName as string) : createBucket();
    const key = args.kmsKey === "make" ? createKmsKey() : undefined;
    const kmsKeyArn = key?.arn ?? (args.kmsKey ? findKmsKey(args.kmsKey) : undefined);
    const settings = createBucketSettings(
      name,
      { ...args, bucket: bucket.bucket, arn: bucket.arn, rules, without, kmsKeyArn },
      // What somebody else's bucket was given it keeps: taken away, it would be open.
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
          // It has neither accounts nor machines of AWS to ask.
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
        // Deleting a bucket never deletes what lies in it.
        forceDestroy: false,
        ...(args.objectLock && { objectLockEnabled: true }),
        ...(tags && { tags }),
      };
      const explain = (error: string) => explainBucketFailure(args.bucketName, error);
      const options = {
        ...child,
        protect: args.protect ?? true,
        // A lock that is asked for later is given to the bucket that is there, not to a new one.
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
          // Without its key a backup is lost: a month to notice.
          deletionWindowInDays: 30,
          ...(tags && { tags }),
        },
        { ...child, protect: args.protect ?? true },
      );
    }

    /** Asked at preview: one that is gone or may not be used would fail at the first upload. */
    function findKmsKey(keyId: string) {
      const found = getKey({ keyId }, child).then(
        ({ arn, enabled }) => {
          if (enabled) return arn;
          throw new ConfigError(
            `the KMS key ${keyId} of "${name}" is disabled; enable it, or set bucket.kmsKey to another`,
          );
        },
        (error: Error) => {
          throw new ConfigError(explainKeyFailure(keyId, error.message));
        },
      );
      return pulumi.output(found);
    }

    function createAgentAccess(): { user?: User; credentials?: Credentials } {
      if (args.accessKey) return { credentials: asJson(args.accessKey) };
      const policy = pulumi
        .all([bucket.arn, kmsKeyArn])
        .apply(([arn, keyArn]) => agentPolicy(arn, prefix, keyArn));
      if (!args.roleArn) return createUser(`${name}-agent`, { policy, tags }, child);
      grantToRole(`${name}-agent`, { policy, roleArn: args.roleArn }, child);
      return {};
    }

    function createPgbackrest() {
      const policy = pulumi
        .all([bucket.arn, kmsKeyArn])
        .apply(([arn, keyArn]) => pgbackrestPolicy(arn, prefix, keyArn));
      return createUser(`${name}-pgbackrest`, { policy, tags }, child);
    }
  }
}

function normalizeWithout(name: string, args: BackupBucketArgs): BucketSetting[] {
  const { without = [], objectLock, kmsKey, endpoint, adopt, bucketName } = args;
  if (objectLock && without.includes("versioning")) {
    throw new ConfigError(
      `"objectLock" of "${name}" locks versions; take "versioning" out of "without"`,
    );
  }
  if (kmsKey && without.includes("encryption")) {
    throw new ConfigError(`"kmsKey" of "${name}" needs "encryption", which is in "without"`);
  }
  if (adopt && !bucketName) {
    throw new ConfigError(`"${name}" is to adopt a bucket; give its "name"`);
  }
  const requireTls = args.requireTls ?? !endpoint?.startsWith("http:");
  return requireTls ? without : [...without, "policy"];
}

function assertAccess(name: string, args: BackupBucketArgs) {
  const { accessKey, roleArn, endpoint, iamEndpoint, pgbackrest } = args;
  if (accessKey && roleArn) {
    throw new ConfigError(`"${name}" is given both "accessKey" and "roleArn"; the agent uses one`);
  }
  if (accessKey && iamEndpoint) {
    throw new ConfigError(
      `"${name}" is given both "accessKey" and "iamEndpoint"; a key is either given or made`,
    );
  }
  if (endpoint && !iamEndpoint && (!accessKey || pgbackrest)) {
    throw new ConfigError(
      `"${name}" has the endpoint ${endpoint}, which makes no keys; give "accessKey", or "iamEndpoint" if it has one`,
    );
  }
}
