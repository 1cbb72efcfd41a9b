import * as pulumi from "@pulumi/pulumi";
import { type ExtraRule, lifecycleRules, type Retention } from "../components/bucket/lifecycle.ts";
import { assertRetention } from "../components/bucket/retention-proof.ts";
import { FILES_FOLDER } from "../components/server/files.ts";
import type { StackConfig } from "../config/stack-config.ts";

const AGENT_KEY = `${FILES_FOLDER}/bucket-key.json`;
const PGBACKREST_KEY = `${FILES_FOLDER}/pgbackrest-key.json`;

type Bucket = NonNullable<StackConfig["bucket"]>;

/** The bucket, after a proof that it always holds enough backups; undefined if none is configured. */
export async function createBucket({ bucket, backups, protect }: StackConfig) {
  if (!bucket) return protect ? warnWithoutBucket() : undefined;
  const { name: bucketName, adopt, prefix, region, endpoint, without } = bucket;
  const retention = retentionOf(bucket);
  const declared = lifecycleRules("backups", prefix, retention);
  assertRetention(pulumi.getStack(), {
    schedule: backups.schedule,
    keepDays: backups.keepDays,
    minBackups: bucket.minBackups,
    prefix,
    rules: without.includes("lifecycle") ? [] : declared,
    lockDays: bucket.objectLock?.days,
  });
  if (adopt && bucketName) {
    const { assertAdoptable } = await import("../components/bucket/survey.ts");
    const ruleIds = declared.map(({ id }) => id);
    const { raise } = adopt;
    const stack = pulumi.getStack();
    await assertAdoptable({ bucketName, stack, prefix, region, endpoint, without, raise, ruleIds });
  }
  // Only a stack with a bucket loads the SDK of AWS.
  const { BackupBucket } = await import("../components/bucket/backup-bucket.ts");
  // Key by key, so that the compiler refuses a key that does not exist.
  const made = new BackupBucket("backups", {
    ...retention,
    bucketName,
    prefix,
    region,
    endpoint,
    without,
    iamEndpoint: bucket.iamEndpoint,
    accessKey: bucket.accessKey,
    roleArn: bucket.roleArn,
    pgbackrest: bucket.pgbackrest,
    kmsKey: bucket.kmsKey,
    kmsEndpoint: bucket.kmsEndpoint,
    objectLock: bucket.objectLock,
    adopt: adopt !== undefined,
    protect: bucket.protect,
  });
  const { credentials, pgbackrestCredentials } = made;
  return {
    name: made.bucketName,
    settings: made.settings.apply((settings) => ({
      ...settings,
      ...(credentials && { credentialsFile: AGENT_KEY }),
    })),
    files: {
      ...(credentials && { [AGENT_KEY]: credentials }),
      ...(pgbackrestCredentials && { [PGBACKREST_KEY]: pgbackrestCredentials }),
    },
  };
}

function retentionOf(bucket: Bucket): Retention {
  return {
    retentionDays: bucket.retentionDays,
    noncurrentDays: bucket.noncurrentDays,
    coldAfterDays: bucket.coldAfterDays,
    coldClass: bucket.coldClass,
    extraRules: bucket.extraRules.map(
      ({ id, prefix, expireDays, coldAfterDays, coldClass }): ExtraRule => {
        return { id, prefix, expireDays, coldAfterDays, coldClass };
      },
    ),
  };
}

function warnWithoutBucket() {
  pulumi.log.warn(
    `stack "${pulumi.getStack()}" is protected and has no bucket: all its backups are on the machine of its database. Set pgstead:bucket (docs/bucket.md); "{}" makes one`,
  );
  return undefined;
}
