import { encryptedName } from "../format/encrypt.ts";
import { type Manifest, parseManifest } from "../format/manifest.ts";
import { type Proof, parseProof, proofName } from "../format/proof.ts";
import type { Bucket } from "./bucket-client.ts";

/** Names of the files under a prefix. */
export async function listBucketFiles(bucket: Bucket, prefix: string): Promise<Set<string>> {
  const { paginateListObjectsV2 } = await import("@aws-sdk/client-s3");
  const names = new Set<string>();
  const pages = paginateListObjectsV2(
    { client: bucket.client },
    { Bucket: bucket.name, Prefix: bucket.key(prefix) },
  );
  for await (const { Contents = [] } of pages) {
    for (const { Key = "" } of Contents) names.add(Key.slice(bucket.key(prefix).length));
  }
  return names;
}

/** Ids of the backups that lie whole under a prefix: those with a manifest. */
export async function listBucketIds(bucket: Bucket, prefix: string): Promise<Set<string>> {
  return idsOf(await listBucketFiles(bucket, prefix));
}

export const idsOf = (names: Set<string>): Set<string> =>
  new Set(
    [...names]
      .filter((name) => name.endsWith(".json"))
      .map((name) => name.slice(0, -".json".length)),
  );

/** Under which name a part lies there: its own, or that of one that is encrypted. */
export function findStoredName(names: Set<string>, file: string): string {
  const encrypted = encryptedName(file);
  return names.has(encrypted) && !names.has(file) ? encrypted : file;
}

/** Ids end in their time, which is how they are sorted: newest first. */
export const newestFirst = (ids: Iterable<string>): string[] =>
  [...ids].sort((a, b) => stamp(b).localeCompare(stamp(a)));

const stamp = (id: string) => /\d{8}T\d{6}Z(-\d+)?$/.exec(id)?.[0] ?? "";

export async function readBucketManifest(
  bucket: Bucket,
  prefix: string,
  id: string,
): Promise<Manifest | undefined> {
  return parseManifest(await readBucketText(bucket, `${prefix}${id}.json`), bucket.seal);
}

/** What came of restoring it, if somebody has; `names` are those under the prefix. */
export async function bucketProof(
  bucket: Bucket,
  prefix: string,
  names: Set<string>,
  id: string,
): Promise<Proof | undefined> {
  // Asked for only if it is there: to a key that may not list, what is missing is forbidden.
  if (!names.has(proofName(id))) return undefined;
  return parseProof(await readBucketText(bucket, `${prefix}${proofName(id)}`), bucket.seal);
}

export async function readBucketText(bucket: Bucket, name: string): Promise<string> {
  const { GetObjectCommand } = await import("@aws-sdk/client-s3");
  const Key = bucket.key(name);
  const { Body } = await bucket.client.send(new GetObjectCommand({ Bucket: bucket.name, Key }));
  return (await Body?.transformToString()) ?? "";
}
