import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { join } from "node:path";
import * as s3 from "@aws-sdk/client-s3";
import { docker } from "../contract/docker-cli.ts";

/** An S3 and IAM API that this host and the containers of a stack can reach. */
export class BucketService {
  readonly name: string;
  readonly url: string;
  readonly credentials = {
    AWS_ACCESS_KEY_ID: "fixture",
    AWS_SECRET_ACCESS_KEY: "fixture",
    AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: "true",
  };
  /** Stops the service. Call it only for a service with its own `env`, because suites share the other. */
  readonly stop: () => void;
  readonly client: s3.S3Client;
  private readonly on: { Bucket: string };

  private constructor(name: string, url: string, stop: () => void) {
    this.stop = stop;
    this.name = name;
    this.url = url;
    Object.assign(process.env, this.credentials);
    this.on = { Bucket: name };
    this.client = new s3.S3Client({ endpoint: url, region: "us-east-1", forcePathStyle: true });
  }

  static start(name: string, env: NodeJS.ProcessEnv = {}): BucketService {
    // This host is the gateway of the engine's default network.
    const gateway = "{{(index .IPAM.Config 0).Gateway}}";
    const address = docker("network", "inspect", "bridge", "--format", gateway);
    const run = (word: "start" | "stop") =>
      execFileSync(join(import.meta.dirname, "..", "fixture", "s3"), [word], {
        encoding: "utf8",
        env: { ...process.env, ...env, PGSTEAD_S3_BIND: address || "172.17.0.1" },
      });
    return new BucketService(name, run("start").trim(), () => void run("stop"));
  }

  /** Creates a bucket in another account. The service reads the account's number from a header. */
  async createInOtherAccount(Bucket: string): Promise<void> {
    const { endpoint, region, forcePathStyle } = this.client.config;
    const other = new s3.S3Client({
      endpoint: endpoint!,
      region,
      forcePathStyle: !!forcePathStyle,
    });
    other.middlewareStack.add(
      (next) => (args) => {
        Object.assign((args.request as { headers: object }).headers, {
          "x-moto-account-id": "111111111111",
        });
        return next(args);
      },
      { step: "build" },
    );
    await other.send(new s3.CreateBucketCommand({ Bucket }));
  }

  /** The section `bucket` of the stack's file. */
  get section() {
    return { name: this.name, endpoint: this.url, iamEndpoint: this.url };
  }

  async keys(): Promise<string[]> {
    const { Contents = [] } = await this.client.send(new s3.ListObjectsV2Command(this.on));
    return Contents.map(({ Key }) => Key as string);
  }

  /** Overwrites the lifecycle rules, as somebody might do by hand. */
  async expireEverythingTomorrow(): Promise<void> {
    const rule = { ID: "tidy", Status: "Enabled", Filter: { Prefix: "" } } as const;
    const LifecycleConfiguration = { Rules: [{ ...rule, Expiration: { Days: 1 } }] };
    await this.client.send(
      new s3.PutBucketLifecycleConfigurationCommand({ ...this.on, LifecycleConfiguration }),
    );
  }

  /** The checksum of an object, downloaded from the bucket. */
  async sha256(Key: string): Promise<string> {
    return createHash("sha256")
      .update(await this.read(Key), "latin1")
      .digest("hex");
  }

  /** An object's bytes, one character each. */
  async read(Key: string): Promise<string> {
    const { Body } = await this.client.send(new s3.GetObjectCommand({ ...this.on, Key }));
    return Buffer.from((await Body?.transformToByteArray()) ?? []).toString("latin1");
  }

  /** Deletes the bucket and its objects, because other suites use the same service. */
  async remove(): Promise<void> {
    const { Versions = [] } = await this.client.send(new s3.ListObjectVersionsCommand(this.on));
    for (const { Key, VersionId } of Versions) {
      await this.client.send(new s3.DeleteObjectCommand({ ...this.on, Key, VersionId }));
    }
    await this.client.send(new s3.DeleteBucketCommand(this.on));
  }
}
