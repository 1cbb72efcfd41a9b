import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import * as iamSdk from "@aws-sdk/client-iam";
import * as kmsSdk from "@aws-sdk/client-kms";
import * as s3 from "@aws-sdk/client-s3";
import { freePort } from "../support/free-port.ts";

// The tests must not use the keys of a real account. The last variable turns off a warning of the SDK.
Object.assign(process.env, {
  AWS_ACCESS_KEY_ID: "fixture",
  AWS_SECRET_ACCESS_KEY: "fixture",
  AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: "true",
});

export { s3 };

const script = fileURLToPath(new URL("../fixture/s3", import.meta.url));
const run = (word: "start" | "stop", env: NodeJS.ProcessEnv = {}) =>
  execFileSync(script, [word], { encoding: "utf8", env: { ...process.env, ...env } }).trim();

/** The S3, IAM and KMS API that all suites share. It checks no permissions. */
export const service = run("start");

const region = "us-east-1";
export const s3Of = (
  endpoint: string,
  credentials?: s3.S3ClientConfig["credentials"],
  at = region,
) =>
  new s3.S3Client({
    ...{ endpoint, region: at, forcePathStyle: true },
    // Like the agent, because the service of the tests does not support trailing checksums.
    requestChecksumCalculation: "WHEN_REQUIRED",
    ...(credentials && { credentials }),
  });

/** Starts a service that can check permissions, for one test file. */
export async function startOwnService() {
  const env = {
    PGSTEAD_S3_PORT: String(await freePort()),
    INITIAL_NO_AUTH_ACTION_COUNT: "1000000",
  };
  const url = run("start", env);
  return {
    url,
    stop: () => void run("stop", env),
    async checkPermissions(isOn: boolean): Promise<void> {
      const body = isOn ? "0" : "1000000";
      const answer = await fetch(`${url}/moto-api/reset-auth`, { method: "POST", body });
      if (!answer.ok) throw new Error(`reset-auth: ${answer.status}`);
    },
  };
}

/** Deletes every object, locked versions too. The bucket itself stays, because its creator deletes it. */
export async function emptyBucket(
  client: s3.S3Client,
  Bucket: string,
  Prefix?: string,
): Promise<void> {
  const on = { Bucket, ...(Prefix && { Prefix }) };
  const { Versions = [], DeleteMarkers = [] } = await client.send(
    new s3.ListObjectVersionsCommand(on),
  );
  for (const { Key, VersionId } of [...Versions, ...DeleteMarkers]) {
    const one = { Bucket, Key, VersionId, BypassGovernanceRetention: true };
    await client.send(new s3.DeleteObjectCommand(one));
  }
}

const kmsClient = new kmsSdk.KMSClient({ endpoint: service, region });
export const kms = {
  async rotation(KeyId: string) {
    return (await kmsClient.send(new kmsSdk.GetKeyRotationStatusCommand({ KeyId })))
      .KeyRotationEnabled;
  },
  async make(): Promise<string> {
    return (await kmsClient.send(new kmsSdk.CreateKeyCommand({}))).KeyMetadata!.Arn!;
  },
};

export function iam(endpoint: string) {
  const client = new iamSdk.IAMClient({ endpoint, region });
  return {
    async makeRole(RoleName: string): Promise<string> {
      const AssumeRolePolicyDocument = JSON.stringify({ Version: "2012-10-17", Statement: [] });
      const made = await client.send(
        new iamSdk.CreateRoleCommand({ RoleName, AssumeRolePolicyDocument }),
      );
      return made.Role!.Arn!;
    },
    async policiesOf(RoleName: string): Promise<unknown[]> {
      const { PolicyNames = [] } = await client.send(
        new iamSdk.ListRolePoliciesCommand({ RoleName }),
      );
      return Promise.all(
        PolicyNames.map(async (PolicyName) => {
          const found = await client.send(
            new iamSdk.GetRolePolicyCommand({ RoleName, PolicyName }),
          );
          return JSON.parse(decodeURIComponent(found.PolicyDocument ?? ""));
        }),
      );
    },
  };
}
