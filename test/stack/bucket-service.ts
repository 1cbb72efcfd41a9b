import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { join } from "node:path";
import * as s3 from "@aws-sdk/client-s3";
import { docker } from "../contract/docker-cli.ts";

/** A real S3 and IAM API that the containers of a stack reach as well as this host. */
export class BucketService {
  readonly name: string;
  readonly url: string;
  readonly credentials = {
    AWS_ACCESS_KEY_ID: "fixture",
    AWS_SECRET_ACCESS_KEY: "fixture",
    AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: "true",
  };
  /** Others may use it too, unless it was started with an environment of its own. */
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
    // The engine's own network has its gateway on this host.
    const gateway = "{{(index .IPAM.Config 0).Gateway}}";
    const address = docker("network", "inspect", "bridge", "--format", gateway);
    const run = (word: "start" | "stop") =>
      execFileSync(join(import.meta.dirname, "..", "fixture", "s3"), [word], {
        encoding: "utf8",
        env: { ...process.env, ...env, PGSTEAD_S3_BIND: address || "172.17.0.1" },
      });
    return new BucketService(name, run("start").trim(), () => void run("stop"));
  }

  /** A bucket in somebody else's account; the service takes an account's number from a header. */
  async takeElsewhere(Bucket: string): Promise<void> {
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

  /** The section of the stack's file. */
  get section() {
    return { name: this.name, endpoint: this.url, iamEndpoint: this.url };
  }

  async keys(): Promise<string[]> {
    const { Contents = [] } = await this.client.send(new s3.ListObjectsV2Command(this.on));
    return Contents.map(({ Key }) => Key as string);
  }

  /** What a tired person may do in a console. */
  async expireEverythingTomorrow(): Promise<void> {
    const rule = { ID: "tidy", Status: "Enabled", Filter: { Prefix: "" } } as const;
    const LifecycleConfiguration = { Rules: [{ ...rule, Expiration: { Days: 1 } }] };
    await this.client.send(
      new s3.PutBucketLifecycleConfigurationCommand({ ...this.on, LifecycleConfiguration }),
    );
  }

  /** Of what the bucket gives back. */
  async sha256(Key: string): Promise<string> {
    const { Body } = await this.client.send(new s3.GetObjectCommand({ ...this.on, Key }));
    const bytes = (await Body?.transformToByteArray()) ?? new Uint8Array();
    return createHash("sha256").update(bytes).digest("hex");
  }

  /** Leaves nothing behind for the suites that use the same service. */
  async empty(): Promise<void> {
    const { Versions = [] } = await this.client.send(new s3.ListObjectVersionsCommand(this.on));
    for (const { Key, VersionId } of Versions) {
      await this.client.send(new s3.DeleteObjectCommand({ ...this.on, Key, VersionId }));
    }
    await this.client.send(new s3.DeleteBucketCommand(this.on));
  }
}
