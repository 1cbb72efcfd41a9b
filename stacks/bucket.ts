import * as pulumi from "@pulumi/pulumi";
import { lifecycleRules } from "../components/bucket/lifecycle.ts";
import { assertRetention } from "../components/bucket/retention-proof.ts";
import { FILES_FOLDER } from "../components/server/files.ts";
import type { StackConfig } from "../config/config.ts";

const AGENT_KEY = `${FILES_FOLDER}/bucket-key.json`;
const PGBACKREST_KEY = `${FILES_FOLDER}/pgbackrest-key.json`;

/** The bucket, once the preview has shown that it will hold what it must; nothing where none is wanted. */
export async function createBucket({ bucket, backups, protect }: StackConfig) {
  if (!bucket) return protect ? warnWithout() : undefined;
  const stack = pulumi.getStack();
  const { name: bucketName, adopt, ...rest } = bucket;
  const { prefix, minBackups, without, objectLock } = bucket;
  const declared = lifecycleRules("backups", prefix, bucket);
  const rules = without.includes("lifecycle") ? [] : declared;
  const lockDays = objectLock?.days;
  assertRetention(stack, { ...backups, minBackups, prefix, rules, lockDays });
  if (adopt && bucketName) {
    const { assertAdoptable } = await import("../components/bucket/survey.ts");
    const ruleIds = declared.map(({ id }) => id);
    await assertAdoptable({ ...bucket, ...adopt, bucketName, stack, ruleIds });
  }
  // The SDK of AWS is loaded by those who have a bucket.
  const { BackupBucket } = await import("../components/bucket/backup-bucket.ts");
  const made = new BackupBucket("backups", { ...rest, bucketName, adopt: adopt !== undefined });
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

function warnWithout() {
  pulumi.log.warn(
    `stack "${pulumi.getStack()}" is protected and has no bucket: its backups lie on the machine that may burn. Set pgstead:bucket (docs/bucket.md); "{}" makes one`,
  );
  return undefined;
}
