import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import * as s3 from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BackupBucket, type BackupBucketArgs } from "../../components/bucket/backup-bucket.ts";
import { TestStack } from "../contract/test-stack.ts";

// The tests must not use the keys of a real account. The last variable turns off a warning of the SDK.
process.env.AWS_ACCESS_KEY_ID = "fixture";
process.env.AWS_SECRET_ACCESS_KEY = "fixture";
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = "true";

const endpoint = execFileSync(fileURLToPath(new URL("../fixture/s3", import.meta.url)), ["start"], {
  encoding: "utf8",
}).trim();
const clientOf = (credentials: s3.S3ClientConfig["credentials"] & object) =>
  new s3.S3Client({ endpoint, region: "us-east-1", forcePathStyle: true, credentials });
const admin = clientOf({ accessKeyId: "fixture", secretAccessKey: "fixture" });

const Bucket = `backups-${process.pid}`;
const on = { Bucket };
let testStack: TestStack;
const program = (args: BackupBucketArgs) => async () => {
  const made = new BackupBucket("backups", {
    ...{ bucketName: Bucket, endpoint, iamEndpoint: endpoint, requireTls: true },
    ...args,
  });
  return { credentials: made.credentials, settings: made.settings };
};

describe("the bucket on an S3 and IAM API", () => {
  let credentials: { accessKeyId: string; secretAccessKey: string };

  beforeAll(async () => {
    testStack = await TestStack.open("pgstead-bucket");
    const { op, error, outputs } = await testStack.up(
      program({ coldAfterDays: 30, retentionDays: 90 }),
      "backups",
    );
    expect({ op, error }).toEqual({ op: "create", error: "" });
    credentials = JSON.parse(outputs.credentials as string);
  });
  afterAll(async () => {
    const { Versions = [] } = await admin.send(new s3.ListObjectVersionsCommand(on));
    for (const { Key, VersionId } of Versions) {
      await admin.send(new s3.DeleteObjectCommand({ ...on, Key, VersionId }));
    }
    await testStack?.up(program({ protect: false }), "backups");
    await testStack?.close();
  });

  test("S16: every property is as declared", async () => {
    const [publicAccess, ownership, encryption, versioning, policy, lifecycle] = await Promise.all([
      admin.send(new s3.GetPublicAccessBlockCommand(on)),
      admin.send(new s3.GetBucketOwnershipControlsCommand(on)),
      admin.send(new s3.GetBucketEncryptionCommand(on)),
      admin.send(new s3.GetBucketVersioningCommand(on)),
      admin.send(new s3.GetBucketPolicyCommand(on)),
      admin.send(new s3.GetBucketLifecycleConfigurationCommand(on)),
    ]);
    expect(publicAccess.PublicAccessBlockConfiguration).toEqual({
      BlockPublicAcls: true,
      IgnorePublicAcls: true,
      BlockPublicPolicy: true,
      RestrictPublicBuckets: true,
    });
    expect(ownership.OwnershipControls?.Rules).toEqual([
      { ObjectOwnership: "BucketOwnerEnforced" },
    ]);
    expect(
      encryption.ServerSideEncryptionConfiguration?.Rules?.[0]?.ApplyServerSideEncryptionByDefault,
    ).toEqual({ SSEAlgorithm: "AES256" });
    expect(versioning.Status).toBe("Enabled");
    expect(
      JSON.parse(policy.Policy ?? "").Statement.map(
        ({ Effect, Condition }: Record<string, unknown>) => [Effect, Condition],
      ),
    ).toEqual([
      ["Deny", { Bool: { "aws:SecureTransport": "false" } }],
      ["Deny", { NumericLessThan: { "s3:TlsVersion": "1.2" } }],
    ]);
    const rules = Object.fromEntries((lifecycle.Rules ?? []).map((rule) => [rule.ID, rule]));
    expect(Object.keys(rules).sort()).toEqual([
      "broken-uploads",
      "dumps",
      "old-versions",
      "volumes",
    ]);
    expect(rules.dumps).toMatchObject({
      Status: "Enabled",
      Filter: { Prefix: "dumps/" },
      Expiration: { Days: 90 },
      Transitions: [{ Days: 30, StorageClass: "STANDARD_IA" }],
    });
    expect(rules["old-versions"]).toMatchObject({
      NoncurrentVersionExpiration: { NoncurrentDays: 30 },
      Expiration: { ExpiredObjectDeleteMarker: true },
    });
    expect(rules["broken-uploads"]).toMatchObject({
      AbortIncompleteMultipartUpload: { DaysAfterInitiation: 2 },
    });
  });

  test("S17: the key is a secret in the state", () => {
    expect(testStack.state()).not.toContain(credentials.secretAccessKey);
  });

  test("a second up changes nothing, and another retention updates the bucket", async () => {
    const same = await testStack.up(
      program({ coldAfterDays: 30, retentionDays: 90 }),
      "backups-lifecycle",
    );
    expect(same.op).toBe("same");
    const changed = await testStack.up(program({ retentionDays: 14 }), "backups-lifecycle");
    expect(changed.op).toBe("update");
    const { Rules } = await admin.send(new s3.GetBucketLifecycleConfigurationCommand(on));
    const dumps = Rules?.find(({ ID }) => ID === "dumps");
    expect([dumps?.Expiration?.Days, dumps?.Transitions]).toEqual([14, undefined]);
  });

  test("the agent's key puts, reads and lists", async () => {
    // This API ignores the condition of a denial, so it would refuse every request.
    await admin.send(new s3.DeleteBucketPolicyCommand(on));
    const agent = clientOf(credentials);
    const Key = "dumps/one";
    await agent.send(new s3.PutObjectCommand({ ...on, Key, Body: "first" }));
    const { Body } = await agent.send(new s3.GetObjectCommand({ ...on, Key }));
    expect(await Body?.transformToString()).toBe("first");
    const { KeyCount } = await agent.send(new s3.ListObjectsV2Command({ ...on, Prefix: "dumps/" }));
    expect(KeyCount).toBe(1);
  });

  test("a protected bucket cannot be deleted", async () => {
    const { error, text } = await testStack.up(async () => {}, "backups");
    expect(error + text).toMatch(/protect/);
    await admin.send(new s3.HeadBucketCommand(on));
  });
});
