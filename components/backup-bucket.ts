// File by file: plain Node cannot import the folders, and all of the SDK takes half a second to load.
import { AccessKey } from "@pulumi/aws/iam/accessKey.js";
import { User } from "@pulumi/aws/iam/user.js";
import { UserPolicy } from "@pulumi/aws/iam/userPolicy.js";
import { Provider } from "@pulumi/aws/provider.js";
import { Bucket, type BucketArgs } from "@pulumi/aws/s3/bucket.js";
import {
  BucketLifecycleConfiguration,
  type BucketLifecycleConfigurationArgs,
} from "@pulumi/aws/s3/bucketLifecycleConfiguration.js";
import { BucketOwnershipControls } from "@pulumi/aws/s3/bucketOwnershipControls.js";
import { BucketPolicy, type BucketPolicyArgs } from "@pulumi/aws/s3/bucketPolicy.js";
import { BucketPublicAccessBlock } from "@pulumi/aws/s3/bucketPublicAccessBlock.js";
import { BucketServerSideEncryptionConfiguration } from "@pulumi/aws/s3/bucketServerSideEncryptionConfiguration.js";
import { BucketVersioning } from "@pulumi/aws/s3/bucketVersioning.js";
import * as pulumi from "@pulumi/pulumi";
import type { BucketSettings } from "../operate/settings.ts";
import { explainBucketFailure } from "./bucket-failure.ts";
import { lifecycleRules, type Retention } from "./bucket-lifecycle.ts";
import { agentPolicy, tlsOnlyPolicy } from "./bucket-policy.ts";
import { ConfigError } from "./error.ts";
import { explainFailure } from "./hooks.ts";
import { type Transform, transform } from "./transform.ts";

export interface BackupBucketArgs extends Retention {
  /** Name of the bucket, the same all over the world. @default - the component's, with a suffix */
  bucketName?: string;
  /** Prefix of every key, such as `team/`, for a bucket of several stacks. @default "" */
  prefix?: string;
  /** @default "us-east-1" */
  region?: string;
  /** Address of an S3-compatible service. @default - AWS */
  endpoint?: string;
  /** Address of its IAM service. Without one `accessKey` must be given. @default - AWS, or none */
  iamEndpoint?: string;
  /** `endpoint/bucket` instead of `bucket.endpoint`. @default - true with an `endpoint` */
  pathStyle?: boolean;
  /**
   * Refuse everything but TLS 1.2 and later.
   * @default - true, except for an `endpoint` that is itself plain http
   */
  requireTls?: boolean;
  /** Key for the agent, which needs what docs/bucket.md lists. @default - a user with a key is made */
  accessKey?: { id: pulumi.Input<string>; secret: pulumi.Input<string> };
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
  /** The agent's key as JSON, a secret: the content of that file. */
  readonly credentials: pulumi.Output<string>;
  /** The resources underneath, for what the outputs do not cover. */
  readonly nodes: {
    bucket: Bucket;
    ownership: BucketOwnershipControls;
    publicAccess: BucketPublicAccessBlock;
    encryption: BucketServerSideEncryptionConfiguration;
    versioning: BucketVersioning;
    policy: BucketPolicy | undefined;
    lifecycle: BucketLifecycleConfiguration;
    user: User | undefined;
  };

  constructor(name: string, args: BackupBucketArgs = {}, opts?: pulumi.ComponentResourceOptions) {
    super("pgstead:index:BackupBucket", name, {}, opts);

    const { endpoint, tags } = args;
    const prefix = args.prefix ?? "";
    // A service that is not AWS takes any region; at AWS it is the provider's unless one is given.
    const region = args.region ?? (endpoint && "us-east-1");
    const pathStyle = args.pathStyle ?? endpoint !== undefined;
    const requireTls = args.requireTls ?? !endpoint?.startsWith("http:");
    const rules = lifecycleRules(name, prefix, args);
    assertKeySource(name, args);

    const child = { parent: this, ...(region && { provider: createProvider(region, this) }) };
    const bucket = createBucket();
    const on = { bucket: bucket.bucket };
    const ownership = createOwnership();
    const publicAccess = createPublicAccess();
    const encryption = createEncryption();
    const versioning = createVersioning();
    const policy = requireTls ? createPolicy() : undefined;
    const lifecycle = createLifecycle();
    const user = args.accessKey ? undefined : createUser();
    const key = args.accessKey ?? createKey(user as User);

    this.bucketName = bucket.bucket;
    this.settings = pulumi.all([bucket.bucket, bucket.region]).apply(([bucketName, found]) => ({
      name: bucketName,
      region: region ?? found,
      pathStyle,
      prefix,
      ...(endpoint && { endpoint }),
    }));
    this.credentials = pulumi.secret(
      pulumi
        .all([key.id, key.secret])
        .apply(([accessKeyId, secretAccessKey]) =>
          JSON.stringify({ accessKeyId, secretAccessKey }),
        ),
    );
    this.nodes = {
      ...{ bucket, ownership, publicAccess, encryption, versioning, policy, lifecycle, user },
    };
    this.registerOutputs({ bucketName: this.bucketName });

    function createProvider(region: string, parent: pulumi.Resource) {
      const { iamEndpoint } = args;
      if (!endpoint) return new Provider(`${name}-service`, { region }, { parent });
      return new Provider(
        `${name}-service`,
        {
          region,
          endpoints: [{ s3: endpoint, ...(iamEndpoint && { iam: iamEndpoint }) }],
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
        ...(tags && { tags }),
      };
      const explain = (error: string) => explainBucketFailure(args.bucketName, error);
      const options = {
        ...child,
        protect: args.protect ?? true,
        hooks: explainFailure(name, explain),
      };
      return new Bucket(...transform(args.transform?.bucket, name, defaults, options));
    }

    function createOwnership() {
      const rule = { objectOwnership: "BucketOwnerEnforced" };
      return new BucketOwnershipControls(`${name}-ownership`, { ...on, rule }, child);
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
        child,
      );
    }

    function createEncryption() {
      const rules = [{ applyServerSideEncryptionByDefault: { sseAlgorithm: "AES256" } }];
      return new BucketServerSideEncryptionConfiguration(
        `${name}-encryption`,
        { ...on, rules },
        child,
      );
    }

    function createVersioning() {
      const versioningConfiguration = { status: "Enabled" };
      return new BucketVersioning(`${name}-versioning`, { ...on, versioningConfiguration }, child);
    }

    function createPolicy() {
      const defaults = { ...on, policy: bucket.arn.apply(tlsOnlyPolicy) };
      // S3 refuses two changes of who may do what at the same time.
      const options = { ...child, dependsOn: [publicAccess] };
      return new BucketPolicy(
        ...transform(args.transform?.policy, `${name}-policy`, defaults, options),
      );
    }

    function createLifecycle() {
      const defaults = { ...on, rules };
      const options = { ...child, dependsOn: [versioning] };
      return new BucketLifecycleConfiguration(
        ...transform(args.transform?.lifecycle, `${name}-lifecycle`, defaults, options),
      );
    }

    function createUser() {
      return new User(`${name}-agent`, { ...(tags && { tags }) }, child);
    }

    function createKey(owner: User) {
      const policy = bucket.arn.apply((arn) => agentPolicy(arn, prefix));
      const grant = new UserPolicy(`${name}-agent-policy`, { user: owner.name, policy }, child);
      // The key is handed out once it may do something.
      const options = { ...child, dependsOn: [grant] };
      return new AccessKey(`${name}-agent-key`, { user: owner.name }, options);
    }
  }
}

function assertKeySource(name: string, { accessKey, endpoint, iamEndpoint }: BackupBucketArgs) {
  if (accessKey && iamEndpoint) {
    throw new ConfigError(
      `"${name}" is given both "accessKey" and "iamEndpoint"; a key is either given or made`,
    );
  }
  if (endpoint && !accessKey && !iamEndpoint) {
    throw new ConfigError(
      `"${name}" has the endpoint ${endpoint}, which makes no keys; give "accessKey", or "iamEndpoint" if it has one`,
    );
  }
}
