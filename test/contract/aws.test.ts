import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import * as s3 from "@aws-sdk/client-s3";
import * as aws from "@pulumi/aws";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ContractTable } from "./table.ts";
import { type Program, TestStack } from "./test-stack.ts";

const table = new ContractTable();
const endpoint = execFileSync(fileURLToPath(new URL("../fixture/s3", import.meta.url)), ["start"], {
  encoding: "utf8",
}).trim();
const credentials = { accessKeyId: "contract", secretAccessKey: "contract" };
const client = new s3.S3Client({
  endpoint,
  region: "us-east-1",
  forcePathStyle: true,
  credentials,
});
// Each run has a name of its own, because this API keeps the tags of a deleted bucket.
const RUN = Date.now().toString(36);
const BUCKET = `pga-backups-${RUN}`;
const RENAMED = `pga-renamed-${RUN}`;
let testStack: TestStack;

const provider = () =>
  new aws.Provider("local", {
    region: "us-east-1",
    accessKey: credentials.accessKeyId,
    secretKey: credentials.secretAccessKey,
    s3UsePathStyle: true,
    skipMetadataApiCheck: true,
    endpoints: [{ s3: endpoint, iam: endpoint, sts: endpoint }],
  });

function policy(bucket: string, extra = {}) {
  const Resource = [`arn:aws:s3:::${bucket}`, `arn:aws:s3:::${bucket}/*`];
  const Condition = { Bool: { "aws:SecureTransport": "false" } };
  return JSON.stringify({
    Version: "2012-10-17",
    Statement: [
      {
        Sid: "TlsOnly",
        Effect: "Deny",
        Principal: "*",
        Action: "s3:*",
        Resource,
        Condition,
        ...extra,
      },
    ],
  });
}

interface Options {
  days?: number;
  status?: string;
  tags?: Record<string, string>;
  policyText?: string;
  name?: string;
}

function program({
  days = 30,
  status = "Enabled",
  tags,
  policyText,
  name = BUCKET,
}: Options = {}): Program {
  return async () => {
    const options = { provider: provider() };
    const { bucket } = new aws.s3.Bucket(
      "bucket",
      { bucket: name, tags, forceDestroy: true },
      options,
    );
    const abortIncompleteMultipartUpload = { daysAfterInitiation: 2 };
    const rules = [
      {
        id: "expire",
        status: "Enabled",
        filter: { prefix: "dumps/" },
        expiration: { days },
        noncurrentVersionExpiration: { noncurrentDays: 7 },
        abortIncompleteMultipartUpload,
      },
    ];
    new aws.s3.BucketLifecycleConfiguration("lifecycle", { bucket, rules }, options);
    new aws.s3.BucketVersioning(
      "versioning",
      { bucket, versioningConfiguration: { status } },
      options,
    );
    const encryption = [{ applyServerSideEncryptionByDefault: { sseAlgorithm: "AES256" } }];
    new aws.s3.BucketServerSideEncryptionConfiguration(
      "encryption",
      { bucket, rules: encryption },
      options,
    );
    const closed = {
      blockPublicAcls: true,
      blockPublicPolicy: true,
      ignorePublicAcls: true,
      restrictPublicBuckets: true,
    };
    new aws.s3.BucketPublicAccessBlock("block", { bucket, ...closed }, options);
    new aws.s3.BucketOwnershipControls(
      "ownership",
      { bucket, rule: { objectOwnership: "BucketOwnerEnforced" } },
      options,
    );
    new aws.s3.BucketPolicy("policy", { bucket, policy: policyText ?? policy(name) }, options);
    const user = new aws.iam.User("user", { forceDestroy: true }, options);
    const document = aws.iam.getPolicyDocumentOutput(
      {
        statements: [
          { actions: ["s3:PutObject", "s3:GetObject"], resources: [`arn:aws:s3:::${name}/*`] },
        ],
      },
      options,
    );
    new aws.iam.UserPolicy("rights", { user: user.name, policy: document.json }, options);
    const key = new aws.iam.AccessKey("key", { user: user.name }, options);
    return { keyId: key.id, secret: key.secret, user: user.name, arn: user.arn };
  };
}

beforeAll(async () => {
  testStack = await TestStack.open("pga");
});

afterAll(async () => {
  await testStack.close();
  table.print("aws: S3 and IAM");
});

describe("aws", () => {
  let secret = "";

  test("up creates everything, the API returns it, and a second preview shows no change", async () => {
    const preview = await testStack.preview(program(), "bucket");
    expect([preview.error, preview.op]).toEqual(["", "create"]);
    const made = await testStack.up(program(), "bucket");
    expect(made.error).toBe("");
    const at = { Bucket: BUCKET };
    const lifecycle = await client.send(new s3.GetBucketLifecycleConfigurationCommand(at));
    expect(lifecycle.Rules?.[0]).toMatchObject({
      ID: "expire",
      Expiration: { Days: 30 },
      Filter: { Prefix: "dumps/" },
      AbortIncompleteMultipartUpload: { DaysAfterInitiation: 2 },
    });
    expect((await client.send(new s3.GetBucketVersioningCommand(at))).Status).toBe("Enabled");
    const encryption = await client.send(new s3.GetBucketEncryptionCommand(at));
    expect(
      encryption.ServerSideEncryptionConfiguration?.Rules?.[0]?.ApplyServerSideEncryptionByDefault
        ?.SSEAlgorithm,
    ).toBe("AES256");
    const block = await client.send(new s3.GetPublicAccessBlockCommand(at));
    expect(Object.values(block.PublicAccessBlockConfiguration ?? {})).toEqual([
      true,
      true,
      true,
      true,
    ]);
    expect(JSON.parse((await client.send(new s3.GetBucketPolicyCommand(at))).Policy ?? "")).toEqual(
      JSON.parse(policy(BUCKET)),
    );
    secret = String(made.outputs.secret);
    expect(secret).toMatch(/^\S{40}$/);
    expect(testStack.state()).not.toContain(secret);
    for (const name of [
      "bucket",
      "lifecycle",
      "versioning",
      "encryption",
      "block",
      "ownership",
      "policy",
      "user",
      "rights",
      "key",
    ]) {
      const again = await testStack.preview(program(), name);
      table.add({
        type: name,
        change: "(new), then nothing",
        engine: `create, ${again.op}`,
        real: "as asked",
      });
      expect([name, again.op]).toEqual([name, "same"]);
    }
  });

  test.each([
    { change: "expiration days", watch: "lifecycle", options: { days: 7 }, op: "update" },
    {
      change: "suspended",
      watch: "versioning",
      options: { days: 7, status: "Suspended" },
      op: "update",
    },
    { change: "tags", watch: "bucket", options: { days: 7, tags: { stack: "one" } }, op: "update" },
    {
      change: "policy, other spacing",
      watch: "policy",
      options: {
        days: 7,
        tags: { stack: "one" },
        policyText: JSON.stringify(JSON.parse(policy(BUCKET)), null, 2),
      },
      op: "same",
    },
    {
      change: "policy",
      watch: "policy",
      options: { days: 7, tags: { stack: "one" }, policyText: policy(BUCKET, { Sid: "Other" }) },
      op: "update",
    },
    {
      change: "bucket name",
      watch: "bucket",
      options: { days: 7, tags: { stack: "one" }, name: RENAMED },
      op: "replace",
    },
  ])("a change of $change: $op", async ({ change, watch, options, op }) => {
    const result = await testStack.up(program(options), watch);
    table.add({ type: watch, change, engine: `${result.op} ${result.paths.join(" ")}`, real: "-" });
    expect([result.error, result.op]).toEqual(["", op]);
  });

  test("the secret of a key survives a refresh", async () => {
    const last = program({ days: 7, tags: { stack: "one" }, name: RENAMED });
    expect((await testStack.refresh(last, "key")).error).toBe("");
    const again = await testStack.up(last, "key");
    expect([again.error, again.op, again.outputs.secret]).toEqual(["", "same", secret]);
  });

  test("fails for a bucket name that somebody else has", async () => {
    const other = new s3.S3Client({
      endpoint,
      region: "eu-west-1",
      forcePathStyle: true,
      credentials,
    });
    await other.send(
      new s3.CreateBucketCommand({
        Bucket: "pga-taken",
        CreateBucketConfiguration: { LocationConstraint: "eu-west-1" },
      }),
    );
    const result = await testStack.up(program({ name: "pga-taken" }), "bucket");
    table.add({
      type: "bucket",
      change: "name taken",
      engine: result.op,
      real: "the other one stays",
    });
    expect(result.op).toBe("failed");
    await other.send(new s3.DeleteBucketCommand({ Bucket: "pga-taken" }));
  });
});
