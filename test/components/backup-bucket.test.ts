import * as pulumi from "@pulumi/pulumi";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { BackupBucket as BackupBucketType } from "../../components/bucket/backup-bucket.ts";
import { agentPolicy, pgbackrestPolicy, tlsOnlyPolicy } from "../../components/bucket/policy.ts";
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
      // Where the provider of the program made it.
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

/** Children are registered late: all are there once the key and the last settings are. */
async function settled(bucket: BackupBucketType) {
  const { policy, ...nodes } = bucket.nodes;
  if (bucket.credentials) await valueIn(bucket.credentials);
  await Promise.all([...Object.values(nodes), policy].map((node) => node && urnOf(node)));
}

const inputsOf = (name: string) => recorded.find((one) => one.name === name)?.inputs;

describe("a bucket with nothing said", () => {
  let bucket: BackupBucketType;
  beforeEach(async () => {
    bucket = new BackupBucket("backups");
    await settled(bucket);
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

  test("is protected, and lies under the component", async () => {
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

  test("tells the agent where it is", async () => {
    expect(await valueIn(bucket.settings)).toEqual({
      name: "backups-1a2b",
      region: "eu-central-1",
      pathStyle: false,
      prefix: "",
    });
  });
});

test("the agent's key may put, get and list below its prefixes, and nothing else", () => {
  const { Statement } = JSON.parse(agentPolicy("arn:aws:s3:::b", "team/"));
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
  const { Statement } = JSON.parse(pgbackrestPolicy("arn:aws:s3:::b", "team/"));
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
      // The service of the tests takes no notice of this condition.
      Condition: { StringLike: { "s3:prefix": ["team/pgbackrest/*"] } },
    },
  ]);
});

test("nobody speaks to the bucket without TLS 1.2", () => {
  const { Statement } = JSON.parse(tlsOnlyPolicy("arn:aws:s3:::b"));
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

test("a role is given the rights of the key, and no key is made", async () => {
  const roleArn = "arn:aws:iam::123456789012:role/machines/db-host";
  const bucket = new BackupBucket("roled", { roleArn });
  await settled(bucket);
  await urnOf(bucket.nodes.bucket);
  expect(bucket.credentials).toBeUndefined();
  const { role, policy } = inputsOf("roled-agent-policy") as { role: string; policy: string };
  expect([role, policy]).toEqual(["db-host", agentPolicy("arn:aws:s3:::roled-1a2b", "")]);
  expect(recorded.filter(({ type }) => /AccessKey|User/.test(type))).toEqual([]);
});

test("a key of its own for pgBackRest, a KMS key, a lock: when asked for", async () => {
  const bucket = new BackupBucket("full", {
    pgbackrest: true,
    kmsKey: "make",
    objectLock: { mode: "COMPLIANCE", days: 30 },
  });
  await settled(bucket);
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

test("an endpoint is spoken to by a provider of its own, with the key that is given", async () => {
  const bucket = new BackupBucket("own", {
    endpoint: "http://127.0.0.1:9000",
    accessKey: { id: "id", secret: "key" },
    prefix: "team/",
    protect: false,
  });
  await settled(bucket);
  expect(inputsOf("own-service")).toMatchObject({
    s3UsePathStyle: expect.anything(),
    region: "us-east-1",
  });
  expect(recorded.filter(({ type }) => type.startsWith("aws:iam/"))).toEqual([]);
  // Plain http, which the policy would lock out.
  expect(bucket.nodes.policy).toBeUndefined();
  expect(isProtected(bucket.nodes.bucket)).toBe(false);
  expect(await valueIn(bucket.settings)).toMatchObject({ pathStyle: true, prefix: "team/" });
});

test("transform has the last word", async () => {
  const bucket = new BackupBucket("t", {
    transform: { bucket: { objectLockEnabled: true }, policy: (args) => ({ ...args }) },
  });
  await settled(bucket);
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
      `"objectLock" of "b" locks versions; take "versioning" out of "without"`,
    ],
    [{ adopt: true }, `"b" is to adopt a bucket; give its "name"`],
    [
      { roleArn: "arn:aws:iam::1:role/r", accessKey: { id: "i", secret: "s" } },
      `"b" is given both "accessKey" and "roleArn"; the agent uses one`,
    ],
    [
      { extraRules: [{ id: "logs", prefix: "logs/" }] },
      `the rule "logs" of "b" does nothing; give "expireDays" or "coldAfterDays"`,
    ],
    [
      { extraRules: [{ id: "dumps", prefix: "logs/", expireDays: 3 }] },
      `"extraRules" of "b" has the id "dumps", which is taken`,
    ],
    [
      { coldAfterDays: 1, coldClass: "DEEP_ARCHIVE" as const, retentionDays: 180 },
      `"coldAfterDays" of "b" must be at least 1 and at least 180 days before "retentionDays" (180) for DEEP_ARCHIVE, got 1`,
    ],
    [
      { endpoint: "https://s3.example" },
      `"b" has the endpoint https://s3.example, which makes no keys; give "accessKey", or "iamEndpoint" if it has one`,
    ],
    [
      { iamEndpoint: "https://iam.example", accessKey: { id: "i", secret: "s" } },
      `"b" is given both "accessKey" and "iamEndpoint"; a key is either given or made`,
    ],
  ])("at once on %j", (args, message) => {
    expect(() => new BackupBucket("b", args)).toThrow(message);
  });
});
