import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { BackupBucket, type BackupBucketArgs } from "../../components/bucket/backup-bucket.ts";
import { lifecycleRules } from "../../components/bucket/lifecycle.ts";
import { assertAdoptable, type SurveyArgs } from "../../components/bucket/survey.ts";
import { withBucket } from "../../operate/backup/store/bucket-client.ts";
import { uploadJson } from "../../operate/backup/store/upload-backup.ts";
import type { BackupSettings } from "../../operate/settings.ts";
import { TestStack } from "../contract/test-stack.ts";
import { FaultyS3 } from "../faults/harness.ts";
import { emptyBucket, iam, kms, s3, s3Of, service, startOwnService } from "./bucket-api.ts";

const admin = s3Of(service);
const nameOf = (what: string) => `${what}-${process.pid}-${Date.now().toString(36)}`;

const program = (args: BackupBucketArgs) => async () => {
  const made = new BackupBucket("backups", {
    ...{ endpoint: service, iamEndpoint: service, kmsEndpoint: service, requireTls: true },
    ...{ protect: false },
    ...args,
  });
  return {
    credentials: made.credentials ?? "",
    pgbackrest: made.pgbackrestCredentials ?? "",
    key: made.nodes.key?.arn ?? "",
  };
};

describe("a bucket with a KMS key, a lock and colder storage", () => {
  const bucketName = nameOf("locked");
  const on = { Bucket: bucketName };
  const lock = (days: number) => ({ objectLock: { mode: "GOVERNANCE" as const, days } });
  const full = {
    // This API ignores the condition of a denial, so it would refuse every request.
    without: ["policy" as const],
    ...{ bucketName, kmsKey: "make", retentionDays: 120, coldAfterDays: 20 },
    ...{
      coldClass: "GLACIER_IR" as const,
      extraRules: [{ id: "logs", prefix: "logs/", expireDays: 9 }],
    },
  };
  let testStack: TestStack;
  let key: string;
  beforeAll(async () => {
    testStack = await TestStack.open("pgstead-locked");
    const { error, outputs } = await testStack.up(program({ ...full, ...lock(120) }), "backups");
    expect(error).toBe("");
    key = outputs.key as string;
  });
  afterAll(async () => {
    await emptyBucket(admin, bucketName);
    await testStack?.close();
  });

  test("the API returns every declared property", async () => {
    const [encryption, found, lifecycle, rotation] = await Promise.all([
      admin.send(new s3.GetBucketEncryptionCommand(on)),
      admin.send(new s3.GetObjectLockConfigurationCommand(on)),
      admin.send(new s3.GetBucketLifecycleConfigurationCommand(on)),
      kms.rotation(key),
    ]);
    expect(encryption.ServerSideEncryptionConfiguration?.Rules?.[0]).toMatchObject({
      ApplyServerSideEncryptionByDefault: { SSEAlgorithm: "aws:kms", KMSMasterKeyID: key },
      BucketKeyEnabled: true,
    });
    expect(found.ObjectLockConfiguration).toMatchObject({
      ObjectLockEnabled: "Enabled",
      Rule: { DefaultRetention: { Mode: "GOVERNANCE", Days: 120 } },
    });
    expect(rotation).toBe(true);
    const rules = Object.fromEntries((lifecycle.Rules ?? []).map((rule) => [rule.ID, rule]));
    for (const id of ["dumps", "volumes"]) {
      expect(rules[id]).toMatchObject({
        Filter: { Prefix: `${id}/` },
        Expiration: { Days: 120 },
        Transitions: [{ Days: 20, StorageClass: "GLACIER_IR" }],
      });
    }
    expect(rules.logs).toMatchObject({ Filter: { Prefix: "logs/" }, Expiration: { Days: 9 } });
  });

  test("another retention and a longer lock update the bucket", async () => {
    const longer = program({ ...full, retentionDays: 150, ...lock(150) });
    expect((await testStack.up(longer, "backups-object-lock")).op).toBe("update");
    const again = await testStack.up(longer, "backups");
    expect([again.error, again.op]).toEqual(["", "same"]);
    const { ObjectLockConfiguration } = await admin.send(
      new s3.GetObjectLockConfigurationCommand(on),
    );
    expect(ObjectLockConfiguration?.Rule?.DefaultRetention?.Days).toBe(150);
  });

  test("S17: nobody can delete what the agent has uploaded", async () => {
    const settings = { name: bucketName, region: "us-east-1", endpoint: service, pathStyle: true };
    const folder = mkdtempSync(join(tmpdir(), "pgstead-locked-"));
    await withBucket({ folder, bucket: { ...settings, prefix: "" } } as BackupSettings, (bucket) =>
      uploadJson(bucket, "dumps/a.json", "{}"),
    );
    rmSync(folder, { recursive: true });
    const one = { ...on, Key: "dumps/a.json" };
    const { VersionId } = await admin.send(new s3.HeadObjectCommand(one));
    await expect(
      admin.send(new s3.DeleteObjectCommand({ ...one, VersionId })),
    ).rejects.toMatchObject({ name: "AccessDenied" });
  });

  test("a KMS key given by its ARN is used", async () => {
    const given = { ...full, ...lock(150), kmsKey: await kms.make() };
    const { error, op } = await testStack.up(program(given), "backups-encryption");
    expect([error, op]).toEqual(["", "update"]);
  });
});

describe("a bucket that somebody changed by hand", () => {
  const bucketName = nameOf("drifted");
  const on = { Bucket: bucketName };
  const declared = program({ bucketName });
  let testStack: TestStack;
  beforeAll(async () => {
    testStack = await TestStack.open("pgstead-drift");
    expect((await testStack.up(declared, "backups")).error).toBe("");
  });
  afterAll(async () => {
    await emptyBucket(admin, bucketName);
    await testStack?.close();
  });

  test("S16: a preview shows an edited lifecycle, and up restores it", async () => {
    const { Rules = [] } = await admin.send(new s3.GetBucketLifecycleConfigurationCommand(on));
    const edited = Rules.map((rule) =>
      rule.ID === "dumps" ? { ...rule, Expiration: { Days: 1 } } : rule,
    );
    await admin.send(
      new s3.PutBucketLifecycleConfigurationCommand({
        ...on,
        LifecycleConfiguration: { Rules: edited },
      }),
    );
    const seen = await testStack.previewWithRefresh(declared, "backups-lifecycle");
    expect([seen.error, seen.op]).toEqual(["", "update"]);
    await testStack.refresh(declared, "backups-lifecycle");
    await testStack.up(declared, "backups-lifecycle");
    const after = await admin.send(new s3.GetBucketLifecycleConfigurationCommand(on));
    expect(after.Rules?.find(({ ID }) => ID === "dumps")?.Expiration?.Days).toBe(30);
  });

  test("S17: a preview shows an edited policy, and up restores it", async () => {
    await admin.send(
      new s3.PutBucketPolicyCommand({
        ...on,
        Policy: JSON.stringify({ Version: "2012-10-17", Statement: [] }),
      }),
    );
    const seen = await testStack.previewWithRefresh(declared, "backups-policy");
    expect([seen.error, seen.op]).toEqual(["", "update"]);
  });
});

describe("a bucket that is adopted", () => {
  const bucketName = nameOf("adopted");
  const on = { Bucket: bucketName };
  const survey = (args: Partial<SurveyArgs> = {}) =>
    assertAdoptable({
      ...{ bucketName, stack: "prod", prefix: "prod/", endpoint: service, without: [], raise: [] },
      ruleIds: lifecycleRules("backups", "prod/", {}).map(({ id }) => id),
      ...args,
    });
  const raise = ["publicAccess", "ownership", "encryption", "versioning"] as const;
  let testStack: TestStack;
  beforeAll(async () => {
    testStack = await TestStack.open("pgstead-adopt");
    await admin.send(new s3.CreateBucketCommand({ ...on, ObjectOwnership: "ObjectWriter" }));
    await admin.send(new s3.DeleteBucketEncryptionCommand(on));
    await admin.send(new s3.PutObjectCommand({ ...on, Key: "pictures/cat.png", Body: "cat" }));
    const rule = { ID: "their-logs", Status: "Enabled", Filter: { Prefix: "logs/" } } as const;
    await admin.send(
      new s3.PutBucketLifecycleConfigurationCommand({
        ...on,
        LifecycleConfiguration: { Rules: [{ ...rule, Expiration: { Days: 9 } }] },
      }),
    );
  });
  afterAll(async () => {
    await testStack?.close();
    await emptyBucket(admin, bucketName);
  });

  test("is refused with the name of each weaker setting", async () => {
    const error = await survey().then(String, (failure: Error) => failure.message);
    expect(error.split("\n").map((line) => line.trim().replace(/; add it.*/, ""))).toEqual([
      `the bucket "${bucketName}" cannot be taken over as it is:`,
      "publicAccess: objects can be made public (BlockPublicAcls, BlockPublicPolicy, IgnorePublicAcls, RestrictPublicBuckets off)",
      "ownership: ACLs are enabled (ObjectWriter)",
      "encryption: objects are not encrypted by default",
      "versioning: old versions are not kept (never enabled)",
      "policy: plain http is allowed",
      `lifecycle: the rule "their-logs" on "logs/" (9 days) is not in bucket.extraRules and would be removed`,
    ]);
    expect(error).toContain("add it to bucket.adopt.raise to have it changed");
  });

  test("is refused with objects of others, unless the stack has its own prefix", async () => {
    await expect(survey({ prefix: "" })).rejects.toThrow(
      /it holds objects of others \(pictures\/\).*set bucket.prefix to .* "prod\/"/,
    );
    const Body = JSON.stringify({ stack: "other" });
    await admin.send(new s3.PutObjectCommand({ ...on, Key: "prod/dumps/a.json", Body }));
    await expect(survey()).rejects.toThrow(`it holds the backups of stack "other"`);
    await emptyBucket(admin, bucketName, "prod/");
  });

  test("changes the settings in raise, keeps those in without, and keeps the rules of others", async () => {
    const extraRules = [{ id: "their-logs", prefix: "logs/", expireDays: 9 }];
    const ruleIds = lifecycleRules("backups", "prod/", { extraRules }).map(({ id }) => id);
    const args = { raise, without: ["policy"] as const, ruleIds };
    await survey(args);
    const adopting = program({
      ...{ bucketName, prefix: "prod/", adopt: true, extraRules, without: ["policy"] },
    });
    const { error } = await testStack.up(adopting, "backups-versioning");
    expect(error).toBe("");
    expect((await admin.send(new s3.GetBucketVersioningCommand(on))).Status).toBe("Enabled");
    const { Rules = [] } = await admin.send(new s3.GetBucketLifecycleConfigurationCommand(on));
    expect(Rules.map(({ ID, Filter }) => [ID, Filter?.Prefix]).sort()).toEqual([
      ["broken-uploads", "prod/"],
      ["dumps", "prod/dumps/"],
      ["old-versions", "prod/"],
      ["their-logs", "logs/"],
      ["volumes", "prod/volumes/"],
    ]);
    await expect(admin.send(new s3.GetBucketPolicyCommand(on))).rejects.toThrow();
    // Now no setting is weaker than pgstead's, so none must be named.
    await survey({ ...args, raise: [] });
    expect((await testStack.up(adopting, "backups-versioning")).op).toBe("same");
  });

  test("does not change when the stack is deleted", async () => {
    expect((await testStack.up(async () => {}, "backups-versioning")).error).toBe("");
    expect((await admin.send(new s3.GetBucketVersioningCommand(on))).Status).toBe("Enabled");
    await admin.send(new s3.HeadObjectCommand({ ...on, Key: "pictures/cat.png" }));
  });

  test("is refused if it does not exist, or belongs to somebody else", async () => {
    await expect(survey({ bucketName: "no-such-bucket-here" })).rejects.toThrow(
      `there is no bucket "no-such-bucket-here" at ${service} to take over`,
    );
    const proxy = await FaultyS3.before(service);
    proxy.inject({ with: { status: 403, code: "AccessDenied" } });
    await expect(survey({ endpoint: proxy.url })).rejects.toThrow("belongs to another account");
    proxy.clear();
    proxy.inject({ with: { status: 400, code: "ExpiredToken" } });
    await expect(survey({ endpoint: proxy.url })).rejects.toThrow("have expired or are not valid");
    proxy.clear();
    proxy.inject({ path: /versioning/, with: { status: 501, code: "NotImplemented" } });
    await expect(survey({ endpoint: proxy.url })).rejects.toThrow(
      "versioning: the service does not support it; add it to bucket.without",
    );
    await proxy.close();
  });
});

test("a bucket in another region is refused", async () => {
  const Bucket = nameOf("elsewhere");
  const region = "eu-west-1" as const;
  const CreateBucketConfiguration = { LocationConstraint: region };
  await s3Of(service, undefined, region).send(
    new s3.CreateBucketCommand({ Bucket, CreateBucketConfiguration }),
  );
  const args = { bucketName: Bucket, stack: "prod", prefix: "", endpoint: service };
  await expect(
    assertAdoptable({ ...args, region: "us-east-1", without: [], raise: [], ruleIds: [] }),
  ).rejects.toThrow(`is in another region; set bucket.region to "${region}"`);
  await admin.send(new s3.DeleteBucketCommand({ Bucket }));
});

describe("a service that does not support a setting", () => {
  test.each([
    [
      "versioning",
      /[?&]versioning/,
      {},
      /does not support "versioning"; add "versioning" to bucket.without/,
    ],
    [
      "lifecycle",
      /[?&]lifecycle/,
      {},
      /add "lifecycle" to bucket.without to go on without it \(nothing expires/,
    ],
    [
      "a lock",
      /[?&]object-lock/,
      { objectLock: { mode: "COMPLIANCE" as const, days: 30 } },
      /does not lock objects in this bucket; remove bucket.objectLock/,
    ],
  ])("fails for %s, and names the setting to change", async (_, path, args, message) => {
    const bucketName = nameOf("lacking");
    const proxy = await FaultyS3.before(service);
    proxy.inject({ method: "PUT", path, with: { status: 501, code: "NotImplemented" } });
    const testStack = await TestStack.open("pgstead-lacking");
    // The message of a hook, which runs in this process.
    const logged = vi.spyOn(console, "error").mockImplementation(() => {});
    try {
      const { error } = await testStack.up(
        program({ bucketName, endpoint: proxy.url, ...args }),
        "backups",
      );
      expect(error).toContain("NotImplemented");
      const text = logged.mock.calls.join("\n");
      expect(text).toMatch(message);
      expect(text).toContain(proxy.url);
    } finally {
      logged.mockRestore();
      proxy.clear();
      await testStack.close();
      await proxy.close();
    }
  });

  test("works without the settings in without", async () => {
    const bucketName = nameOf("without");
    const proxy = await FaultyS3.before(service);
    proxy.inject({
      path: /versioning|publicAccessBlock|ownershipControls/,
      with: { status: 501, code: "NotImplemented" },
    });
    const testStack = await TestStack.open("pgstead-without");
    const without = ["versioning", "publicAccess", "ownership"] as const;
    const { error } = await testStack.up(
      program({ bucketName, endpoint: proxy.url, without: [...without] }),
      "backups",
    );
    expect([error, proxy.hits]).toEqual(["", 0]);
    proxy.clear();
    await testStack.close();
    await proxy.close();
  });
});

describe("a service that checks permissions", () => {
  const bucketName = nameOf("guarded");
  const on = { Bucket: bucketName };
  let testStack: TestStack;
  let strict: Awaited<ReturnType<typeof startOwnService>>;
  let agent: InstanceType<typeof s3.S3Client>;
  let pgbackrest: InstanceType<typeof s3.S3Client>;
  beforeAll(async () => {
    strict = await startOwnService();
    testStack = await TestStack.open("pgstead-guarded");
    const { error, outputs } = await testStack.up(
      program({
        ...{ bucketName, endpoint: strict.url, iamEndpoint: strict.url, pgbackrest: true },
        // This API ignores the condition of a denial, so it would refuse every request.
        without: ["policy"],
      }),
      "backups",
    );
    expect(error).toBe("");
    const root = s3Of(strict.url);
    for (const Key of ["dumps/old", "keep/a/backup.dump", "pgbackrest/old", "secret"]) {
      await root.send(new s3.PutObjectCommand({ ...on, Key, Body: "old" }));
    }
    agent = s3Of(strict.url, JSON.parse(outputs.credentials as string));
    pgbackrest = s3Of(strict.url, JSON.parse(outputs.pgbackrest as string));
    await strict.checkPermissions(true);
  });
  afterAll(async () => {
    try {
      await strict?.checkPermissions(false);
      if (strict) await emptyBucket(s3Of(strict.url), bucketName);
      await testStack?.close();
    } finally {
      strict?.stop();
    }
  });

  const denied = { name: "AccessDenied" };

  test("S17: the agent's key puts and reads, and deletes neither object nor version", async () => {
    for (const prefix of ["dumps", "volumes", "keep"]) {
      const Key = `${prefix}/new`;
      const { VersionId } = await agent.send(new s3.PutObjectCommand({ ...on, Key, Body: "new" }));
      const { Body } = await agent.send(new s3.GetObjectCommand({ ...on, Key }));
      expect(await Body?.transformToString()).toBe("new");
      for (const version of [{}, { VersionId }]) {
        const gone = new s3.DeleteObjectCommand({ ...on, Key, ...version });
        await expect(agent.send(gone)).rejects.toMatchObject(denied);
      }
    }
  });

  test("S17: an overwritten object stays as an old version", async () => {
    await agent.send(new s3.PutObjectCommand({ ...on, Key: "dumps/old", Body: "ransom" }));
    await strict.checkPermissions(false);
    const root = s3Of(strict.url);
    const { Versions = [] } = await root.send(
      new s3.ListObjectVersionsCommand({ ...on, Prefix: "dumps/old" }),
    );
    const first = Versions.find(({ IsLatest }) => !IsLatest);
    const { Body } = await root.send(
      new s3.GetObjectCommand({ ...on, Key: "dumps/old", VersionId: first!.VersionId }),
    );
    expect(await Body?.transformToString()).toBe("old");
    await strict.checkPermissions(true);
  });

  test.each([
    ["reads elsewhere", () => new s3.GetObjectCommand({ ...on, Key: "secret" })],
    ["puts elsewhere", () => new s3.PutObjectCommand({ ...on, Key: "other/x", Body: "x" })],
    [
      "puts where pgBackRest does",
      () => new s3.PutObjectCommand({ ...on, Key: "pgbackrest/x", Body: "x" }),
    ],
    [
      "suspends versioning",
      () =>
        new s3.PutBucketVersioningCommand({
          ...on,
          VersioningConfiguration: { Status: "Suspended" },
        }),
    ],
    ["changes the lifecycle", () => new s3.DeleteBucketLifecycleCommand(on)],
    ["changes the policy", () => new s3.DeleteBucketPolicyCommand(on)],
    ["opens the bucket", () => new s3.DeletePublicAccessBlockCommand(on)],
    ["deletes the bucket", () => new s3.DeleteBucketCommand(on)],
  ])("S17: the agent's key never %s", async (_, command) => {
    await expect(agent.send(command() as never)).rejects.toMatchObject(denied);
  });

  test("S17: pgBackRest's key deletes below its prefix, and nowhere else", async () => {
    await pgbackrest.send(new s3.PutObjectCommand({ ...on, Key: "pgbackrest/new", Body: "x" }));
    await pgbackrest.send(new s3.DeleteObjectCommand({ ...on, Key: "pgbackrest/old" }));
    for (const Key of ["dumps/old", "keep/a/backup.dump", "secret"]) {
      for (const command of [
        new s3.DeleteObjectCommand({ ...on, Key }),
        new s3.GetObjectCommand({ ...on, Key }),
      ]) {
        await expect(pgbackrest.send(command as never)).rejects.toMatchObject(denied);
      }
    }
    const { Versions = [] } = await agent
      .send(new s3.ListObjectVersionsCommand({ ...on }))
      .catch(() => ({ Versions: undefined }));
    expect(Versions).toEqual([]);
  });

  test("a role gets the permissions that the key would have", async () => {
    await strict.checkPermissions(false);
    const client = iam(strict.url);
    const roleArn = await client.makeRole("db-host");
    const roled = program({
      ...{ bucketName, endpoint: strict.url, iamEndpoint: strict.url, roleArn },
      without: ["policy"],
    });
    const { error, outputs } = await testStack.up(roled, "backups-agent-policy");
    expect([error, outputs.credentials]).toEqual(["", ""]);
    expect(await client.policiesOf("db-host")).toEqual([
      expect.objectContaining({
        Statement: expect.arrayContaining([
          expect.objectContaining({ Sid: "PutAndRead", Action: ["s3:GetObject", "s3:PutObject"] }),
        ]),
      }),
    ]);
  });
});
