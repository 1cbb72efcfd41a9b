import { IAMClient } from "@aws-sdk/client-iam";
import { KMSClient } from "@aws-sdk/client-kms";
import { S3Client } from "@aws-sdk/client-s3";
import { GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";

import { list, objects, type Properties, text } from "../base/properties.ts";

interface Clients {
  s3: S3Client;
  iam: IAMClient;
  kms: KMSClient;
  sts: STSClient;
  region: string;
}

let current: Clients | undefined;

export function clients(): Clients {
  if (!current) throw new Error("the aws provider was not configured");
  return current;
}

export async function connect(config: Properties): Promise<void> {
  // Outside of AWS, the request for the instance's role takes many seconds to fail.
  process.env.AWS_EC2_METADATA_DISABLED ??= "true";
  const region =
    text(config.region) || process.env.AWS_REGION || process.env.AWS_DEFAULT_REGION || "";
  if (!region) throw new Error('invalid AWS Region: "": missing region configuration (aws:region)');
  const endpoints = objects(config.endpoints)[0] ?? {};
  const options = (service: string) => ({
    region,
    ...(endpoints[service] ? { endpoint: text(endpoints[service]) } : {}),
    ...(config.accessKey && config.secretKey
      ? {
          credentials: {
            accessKeyId: text(config.accessKey),
            secretAccessKey: text(config.secretKey),
            ...(config.token ? { sessionToken: text(config.token) } : {}),
          },
        }
      : {}),
  });
  current = {
    s3: new S3Client({
      ...options("s3"),
      forcePathStyle: config.s3UsePathStyle === true || config.s3UsePathStyle === "true",
    }),
    iam: new IAMClient(options("iam")),
    kms: new KMSClient(options("kms")),
    sts: new STSClient(options("sts")),
    region,
  };
  const skip = [config.skipCredentialsValidation, config.skipRequestingAccountId].map(text);
  if (!list(skip).includes("true")) await assertCredentials(current.sts);
}

/** Fails on a wrong or missing key before the engine plans anything. */
async function assertCredentials(sts: STSClient): Promise<void> {
  try {
    await sts.send(new GetCallerIdentityCommand({}));
  } catch (error) {
    throw new Error(
      `unable to validate AWS credentials.\nDetails: ${error instanceof Error ? error.message : error}\nMake sure you have set your AWS region and credentials.`,
    );
  }
}
