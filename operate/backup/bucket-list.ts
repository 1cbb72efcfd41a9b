import type { Bucket } from "./bucket.ts";
import { type Manifest, parseManifest } from "./manifest.ts";

/** Ids of the backups that lie whole under a prefix: those with a manifest. */
export async function bucketIds(bucket: Bucket, prefix: string): Promise<Set<string>> {
  const { paginateListObjectsV2 } = await import("@aws-sdk/client-s3");
  const ids = new Set<string>();
  const pages = paginateListObjectsV2(
    { client: bucket.client },
    { Bucket: bucket.name, Prefix: bucket.key(prefix) },
  );
  for await (const { Contents = [] } of pages) {
    for (const { Key = "" } of Contents) {
      if (Key.endsWith(".json")) ids.add(Key.slice(bucket.key(prefix).length, -".json".length));
    }
  }
  return ids;
}

export async function bucketManifest(
  bucket: Bucket,
  prefix: string,
  id: string,
): Promise<Manifest | undefined> {
  const { GetObjectCommand } = await import("@aws-sdk/client-s3");
  const Key = bucket.key(`${prefix}${id}.json`);
  const { Body } = await bucket.client.send(new GetObjectCommand({ Bucket: bucket.name, Key }));
  return parseManifest((await Body?.transformToString()) ?? "");
}
