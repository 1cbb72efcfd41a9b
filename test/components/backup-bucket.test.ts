import * as pulumi from "@pulumi/pulumi";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { BackupBucket as BackupBucketType } from "../../components/bucket/backup-bucket.ts";
import { lifecycleRules } from "../../components/bucket/lifecycle.ts";
import {
  renderAgentPolicy,
  renderPgbackrestPolicy,
  renderTlsOnlyPolicy,
} from "../../components/bucket/policy.ts";
import {
  isProtected,
  type Recorded,
  recordResources,
  urnOf,
  valueIn,
} from "../support/recorder.ts";

const s3 = (name: string) => `aws:s3/${name[0]!.toLowerCase()}${name.slice(1)}:${name}`;
const none = () => ({});

let recorded: Recorded[];
let BackupBucket: typeof BackupBucketType;

beforeAll(async () => {
  recorded = await recordResources({
    "pgstead:index:BackupBucket": none,
    "pulumi:providers:aws": none,
    [s3("Bucket")]: (_inputs, name) => ({
      // The region of the program's provider.
      region: "eu-central-1",
      bucket: `${name}-1a2b`,
      arn: `arn:aws:s3:::${name}-1a2b`,
    }),
    [s3("BucketOwnershipControls")]: none,
    [s3("BucketPublicAccessBlock")]: none,
    [s3("BucketServerSideEncryptionConfiguration")]: none,
    [s3("BucketVersioning")]: none,
    [s3("BucketPolicy")]: none,
    [s3("BucketLifecycleConfiguration")]: none,
    [s3("BucketObjectLockConfiguration")]: none,
    "aws:kms/key:Key": () => ({ arn: "arn:aws:kms:eu-central-1:1:key/k" }),
    "aws:iam/rolePolicy:RolePolicy": none,
    "aws:iam/user:User": (_inputs, name) => ({ name: `${name}-5f` }),
    "aws:iam/userPolicy:UserPolicy": none,
    "aws:iam/accessKey:AccessKey": () => ({ secret: "s3cr3t" }),
  });
  ({ BackupBucket } = await import("../../components/bucket/backup-bucket.ts"));
});

beforeEach(() => {
  recorded.length = 0;
});

/** Waits until all children are registered. */
async function waitForChildren(bucket: BackupBucketType) {
  const { policy, ...nodes } = bucket.nodes;
  if (bucket.credentials) await valueIn(bucket.credentials);
  await Promise.all([...Object.values(nodes), policy].map((node) => node && urnOf(node)));
}

const inputsOf = (name: string) => recorded.find((one) => one.name === name)?.inputs;

describe("a bucket without arguments", () => {
  let bucket: BackupBucketType;
  beforeEach(async () => {
    bucket = new BackupBucket("backups");
    await waitForChildren(bucket);
  });

  test("is private, encrypted, versioned, TLS only and has a key", () => {
    expect(recorded.map(({ type, name }) => `${type} ${name}`).sort()).toEqual([
      "aws:iam/accessKey:AccessKey backups-agent-key",
      "aws:iam/user:User backups-agent",
      "aws:iam/userPolicy:UserPolicy backups-agent-policy",
      "aws:s3/bucket:Bucket backups",
      "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration backups-lifecycle",
      "aws:s3/bucketOwnershipControls:BucketOwnershipControls backups-ownership",
      "aws:s3/bucketPolicy:BucketPolicy backups-policy",
      "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock backups-public-access",
      "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration backups-encryption",
      "aws:s3/bucketVersioning:BucketVersioning backups-versioning",
      "pgstead:index:BackupBucket backups",
    ]);
    expect(inputsOf("backups")).toEqual({});
    expect(recorded.find(({ type }) => type === s3("Bucket"))?.inputs).toEqual({
      forceDestroy: false,
    });
    expect(inputsOf("backups-public-access")).toEqual({
      bucket: "backups-1a2b",
      blockPublicAcls: true,
      blockPublicPolicy: true,
      ignorePublicAcls: true,
      restrictPublicBuckets: true,
    });
    expect(inputsOf("backups-ownership")).toEqual({
      bucket: "backups-1a2b",
      rule: { objectOwnership: "BucketOwnerEnforced" },
    });
    expect(inputsOf("backups-versioning")).toEqual({
      bucket: "backups-1a2b",
      versioningConfiguration: { status: "Enabled" },
    });
    expect(inputsOf("backups-encryption")?.rules).toEqual([
      { applyServerSideEncryptionByDefault: { sseAlgorithm: "AES256" } },
    ]);
  });

  test("is protected, and is a child of the component", async () => {
    expect(isProtected(bucket.nodes.bucket)).toBe(true);
    for (const node of Object.values(bucket.nodes).filter((one) => one !== undefined)) {
      expect(await urnOf(node)).toContain("pgstead:index:BackupBucket$");
    }
  });

  test("S16: expires dumps, and nothing under keep/", () => {
    const rules = inputsOf("backups-lifecycle")?.rules as {
      filter: { prefix: string };
      expiration?: { days?: number };
    }[];
    const expiring = rules.filter(({ expiration }) => expiration?.days !== undefined);
    expect(expiring.map(({ filter, expiration }) => [filter.prefix, expiration?.days])).toEqual([
      ["dumps/", 30],
      ["volumes/", 30],
    ]);
  });

  test("S17: keeps the key a secret", async () => {
    expect(await pulumi.isSecret(bucket.credentials!)).toBe(true);
    expect(JSON.parse(await valueIn(bucket.credentials!))).toEqual({
      accessKeyId: "backups-agent-key-id",
      secretAccessKey: "s3cr3t",
    });
  });

  test("gives the agent its name and region", async () => {
    expect(await valueIn(bucket.settings)).toEqual({
      name: "backups-1a2b",
      region: "eu-central-1",
      pathStyle: false,
      prefix: "",
    });
  });
});

test("old versions, delete markers and broken uploads below the prefix are removed", () => {
  const rules = lifecycleRules("b", "team/", { noncurrentDays: 12 });
  expect(rules.slice(2)).toEqual([
    {
      id: "old-versions",
      status: "Enabled",
      filter: { prefix: "team/" },
      noncurrentVersionExpiration: { noncurrentDays: 12 },
      expiration: { expiredObjectDeleteMarker: true },
    },
    {
      id: "broken-uploads",
      status: "Enabled",
      filter: { prefix: "team/" },
      abortIncompleteMultipartUpload: { daysAfterInitiation: 2 },
    },
  ]);
});

test("the agent's key may put, get and list below its prefixes, and nothing else", () => {
  const { Statement } = JSON.parse(renderAgentPolicy("arn:aws:s3:::b", "team/"));
  expect(Statement.flatMap(({ Action }: { Action: string | string[] }) => Action).sort()).toEqual([
    "s3:GetObject",
    "s3:ListBucket",
    "s3:PutObject",
  ]);
  expect(Statement[0].Resource).toEqual([
    "arn:aws:s3:::b/team/dumps/*",
    "arn:aws:s3:::b/team/volumes/*",
    "arn:aws:s3:::b/team/keep/*",
  ]);
});

test("pgBackRest's key may delete, and only below its own prefix", () => {
  const { Statement } = JSON.parse(renderPgbackrestPolicy("arn:aws:s3:::b", "team/"));
  expect(Statement).toEqual([
    {
      Sid: "PutReadAndDelete",
      Effect: "Allow",
      Action: ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"],
      Resource: ["arn:aws:s3:::b/team/pgbackrest/*"],
    },
    {
      Sid: "List",
      Effect: "Allow",
      Action: "s3:ListBucket",
      Resource: "arn:aws:s3:::b",
      // The S3 service of the tests ignores this condition.
      Condition: { StringLike: { "s3:prefix": ["team/pgbackrest/*"] } },
    },
  ]);
});

test("the bucket refuses every request without TLS 1.2", () => {
  const { Statement } = JSON.parse(renderTlsOnlyPolicy("arn:aws:s3:::b"));
  for (const one of Statement) {
    expect(one).toMatchObject({
      Effect: "Deny",
      Principal: "*",
      Action: "s3:*",
      Resource: ["arn:aws:s3:::b", "arn:aws:s3:::b/*"],
    });
  }
  expect(Statement.map(({ Condition }: { Condition: object }) => Condition)).toEqual([
    { Bool: { "aws:SecureTransport": "false" } },
    { NumericLessThan: { "s3:TlsVersion": "1.2" } },
  ]);
});

test("a role gets the permissions of the key, and no key is created", async () => {
  const roleArn = "arn:aws:iam::123456789012:role/machines/db-host";
  const bucket = new BackupBucket("roled", { roleArn });
  await waitForChildren(bucket);
  await urnOf(bucket.nodes.bucket);
  expect(bucket.credentials).toBeUndefined();
  const { role, policy } = inputsOf("roled-agent-policy") as { role: string; policy: string };
  expect([role, policy]).toEqual(["db-host", renderAgentPolicy("arn:aws:s3:::roled-1a2b", "")]);
  expect(recorded.filter(({ type }) => /AccessKey|User/.test(type))).toEqual([]);
});

test("a key for pgBackRest, a KMS key and a lock are created when they are set", async () => {
  const bucket = new BackupBucket("full", {
    pgbackrest: true,
    kmsKey: "make",
    objectLock: { mode: "COMPLIANCE", days: 30 },
  });
  await waitForChildren(bucket);
  expect(await pulumi.isSecret(bucket.pgbackrestCredentials!)).toBe(true);
  await valueIn(bucket.pgbackrestCredentials!);
  expect(inputsOf("full-pgbackrest-policy")?.policy).toContain("s3:DeleteObject");
  expect(inputsOf("full-agent-policy")?.policy).not.toContain("Delete");
  expect(inputsOf("full-agent-policy")?.policy).toContain("kms:GenerateDataKey");
  expect(isProtected(bucket.nodes.key!)).toBe(true);
  expect(inputsOf("full-encryption")?.rules).toEqual([
    {
      applyServerSideEncryptionByDefault: {
        sseAlgorithm: "aws:kms",
        kmsMasterKeyId: "arn:aws:kms:eu-central-1:1:key/k",
      },
      bucketKeyEnabled: true,
    },
  ]);
  expect(inputsOf("full-object-lock")?.rule).toEqual({
    defaultRetention: { mode: "COMPLIANCE", days: 30 },
  });
});

test("an endpoint has a provider of its own and uses the given key", async () => {
  const bucket = new BackupBucket("own", {
    endpoint: "http://127.0.0.1:9000",
    accessKey: { id: "id", secret: "key" },
    prefix: "team/",
    protect: false,
  });
  await waitForChildren(bucket);
  expect(inputsOf("own-service")).toMatchObject({
    s3UsePathStyle: expect.anything(),
    region: "us-east-1",
  });
  expect(recorded.filter(({ type }) => type.startsWith("aws:iam/"))).toEqual([]);
  // The policy would refuse plain http.
  expect(bucket.nodes.policy).toBeUndefined();
  expect(isProtected(bucket.nodes.bucket)).toBe(false);
  expect(await valueIn(bucket.settings)).toMatchObject({ pathStyle: true, prefix: "team/" });
});

test("transform overrides the defaults", async () => {
  const bucket = new BackupBucket("t", {
    transform: { bucket: { objectLockEnabled: true }, policy: (args) => ({ ...args }) },
  });
  await waitForChildren(bucket);
  expect(recorded.find(({ type }) => type === s3("Bucket"))?.inputs).toEqual({
    forceDestroy: false,
    objectLockEnabled: true,
  });
});

describe("fails", () => {
  test.each([
    [{ retentionDays: 0 }, `"retentionDays" of "b" must be a whole number from 1, got 0`],
    [{ noncurrentDays: 1.5 }, `"noncurrentDays" of "b" must be a whole number from 1, got 1.5`],
    [
      { retentionDays: 40, coldAfterDays: 30 },
      `"coldAfterDays" of "b" must be at least 30 and at least 30 days before "retentionDays" (40) for STANDARD_IA, got 30`,
    ],
    [
      { objectLock: { mode: "GOVERNANCE" as const, days: 3 }, without: ["versioning" as const] },
      `"objectLock" of "b" needs versions; remove "versioning" from "without"`,
    ],
    [
      { adopt: true },
      `"adopt" of "b" needs the bucket's name; set bucket.name (in code: "bucketName")`,
    ],
    [
      { roleArn: "arn:aws:iam::1:role/r", accessKey: { id: "i", secret: "s" } },
      `"b" has both "accessKey" and "roleArn"; the agent uses one of them, so remove the other`,
    ],
    [
      { extraRules: [{ id: "logs", prefix: "logs/" }] },
      `the rule "logs" of "b" does nothing; give "expireDays" or "coldAfterDays"`,
    ],
    [
      { extraRules: [{ id: "dumps", prefix: "logs/", expireDays: 3 }] },
      `"extraRules" of "b" has the id "dumps", which another rule has; choose another id`,
    ],
    [
      { coldAfterDays: 1, coldClass: "DEEP_ARCHIVE" as const, retentionDays: 180 },
      `"coldAfterDays" of "b" must be at least 1 and at least 180 days before "retentionDays" (180) for DEEP_ARCHIVE, got 1`,
    ],
    [
      { endpoint: "https://s3.example" },
      `"b" has the endpoint https://s3.example, where no key can be created; set "accessKey", or "iamEndpoint" if the service has one`,
    ],
    [
      { iamEndpoint: "https://iam.example", accessKey: { id: "i", secret: "s" } },
      `"b" has both "accessKey" and "iamEndpoint"; remove "iamEndpoint", which is needed only to create a key`,
    ],
  ])("at once on %j", (args, message) => {
    expect(() => new BackupBucket("b", args)).toThrow(message);
  });
});
