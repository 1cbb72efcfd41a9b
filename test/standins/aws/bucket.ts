import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectsCommand,
  GetBucketTaggingCommand,
  GetObjectLockConfigurationCommand,
  HeadBucketCommand,
  ListObjectVersionsCommand,
  PutBucketTaggingCommand,
} from "@aws-sdk/client-s3";

import type { Operations } from "../base/bridged.ts";
import { isObject, type Properties, stable, text } from "../base/properties.ts";
import { clients } from "./clients.ts";

/** S3 has one error name for each kind of missing object or setting. */
export function isMissing(error: unknown): boolean {
  const name = error instanceof Error ? error.name : "";
  return /^(NotFound|NoSuch\w+|\w+NotFoundError|\w*NotFoundException)$/.test(name);
}

async function putTags(bucket: string, inputs: Properties): Promise<void> {
  const tags = isObject(inputs.tags) ? inputs.tags : {};
  const TagSet = Object.entries(tags).map(([Key, Value]) => ({ Key, Value: text(Value) }));
  await clients().s3.send(new PutBucketTaggingCommand({ Bucket: bucket, Tagging: { TagSet } }));
}

async function readTags(bucket: string): Promise<Properties> {
  try {
    const { TagSet = [] } = await clients().s3.send(
      new GetBucketTaggingCommand({ Bucket: bucket }),
    );
    return Object.fromEntries(TagSet.map((each) => [each.Key!, each.Value!]));
  } catch (error) {
    if (isMissing(error)) return {};
    throw error;
  }
}

async function emptyBucket(bucket: string): Promise<void> {
  for (;;) {
    const found = await clients().s3.send(new ListObjectVersionsCommand({ Bucket: bucket }));
    const all = [...(found.Versions ?? []), ...(found.DeleteMarkers ?? [])];
    if (all.length === 0) return;
    const Objects = all.map(({ Key, VersionId }) => ({ Key: Key!, VersionId }));
    await clients().s3.send(new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects } }));
  }
}

/**
 * In us-east-1, S3 reports no error when an account creates a bucket that it has already. The official plugin
 * checks first, too.
 */
async function assertAbsent(name: string): Promise<void> {
  const there = await clients()
    .s3.send(new HeadBucketCommand({ Bucket: name }))
    .then(
      () => true,
      () => false,
    );
  if (there) throw new Error(`creating S3 Bucket (${name}): bucket already exists`);
}

async function isLockable(Bucket: string): Promise<boolean> {
  const found = await clients()
    .s3.send(new GetObjectLockConfigurationCommand({ Bucket }))
    .catch((error) => {
      if (isMissing(error)) return undefined;
      throw error;
    });
  return found?.ObjectLockConfiguration?.ObjectLockEnabled === "Enabled";
}

export const bucket: Operations = {
  fields: {
    bucket: { autoname: true, replace: true },
    bucketPrefix: { replace: true },
    forceDestroy: {},
    objectLockEnabled: { replace: true, computed: true },
    region: { computed: true, replace: true },
    tags: { kind: "map" },
  },
  outputs: ["arn", "bucketDomainName", "bucketRegionalDomainName", "hostedZoneId", "tagsAll"],

  async create(_context, inputs) {
    const { s3, region } = clients();
    const name = text(inputs.bucket);
    if (region === "us-east-1") await assertAbsent(name);
    const constraint = region === "us-east-1" ? {} : { LocationConstraint: region as never };
    await s3.send(
      new CreateBucketCommand({
        Bucket: name,
        ObjectLockEnabledForBucket: inputs.objectLockEnabled === true || undefined,
        ...(region === "us-east-1" ? {} : { CreateBucketConfiguration: constraint }),
      }),
    );
    if (isObject(inputs.tags) && Object.keys(inputs.tags).length > 0) await putTags(name, inputs);
    return name;
  },

  async read(_context, id, state) {
    try {
      await clients().s3.send(new HeadBucketCommand({ Bucket: id }));
    } catch (error) {
      if (isMissing(error)) return null;
      throw error;
    }
    const { region } = clients();
    const tags = await readTags(id);
    return {
      bucket: id,
      arn: `arn:aws:s3:::${id}`,
      bucketDomainName: `${id}.s3.amazonaws.com`,
      bucketRegionalDomainName: `${id}.s3.${region}.amazonaws.com`,
      region,
      tags,
      tagsAll: tags,
      objectLockEnabled: await isLockable(id),
      forceDestroy: state.forceDestroy ?? false,
    };
  },

  async update(_context, id, state, news) {
    if (stable(state.tags) !== stable(news.tags)) await putTags(id, news);
  },

  async delete(_context, id, state) {
    if (state.forceDestroy) await emptyBucket(id);
    await clients()
      .s3.send(new DeleteBucketCommand({ Bucket: id }))
      .catch((error) => {
        if (!isMissing(error)) throw error;
      });
  },
};
