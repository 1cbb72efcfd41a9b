import { encryptedName } from "../format/encrypt.ts";
import { type Manifest, parseManifest } from "../format/manifest.ts";
import { type Proof, parseProof, proofName } from "../format/proof.ts";
import { type Bucket, inTime } from "./bucket-client.ts";

/** Names of the files under a prefix, without the prefix. */
export async function listBucketFiles(bucket: Bucket, prefix: string): Promise<Set<string>> {
  const { ListObjectsV2Command } = await import("@aws-sdk/client-s3");
  const names = new Set<string>();
  const under = { Bucket: bucket.name, Prefix: bucket.key(prefix) };
  let ContinuationToken: string | undefined;
  do {
    const page = new ListObjectsV2Command({ ...under, ContinuationToken });
    const { Contents = [], NextContinuationToken } = await inTime((abortSignal) =>
      bucket.client.send(page, { abortSignal }),
    );
    for (const { Key = "" } of Contents) names.add(Key.slice(under.Prefix.length));
    ContinuationToken = NextContinuationToken;
  } while (ContinuationToken);
  return names;
}

/** Ids of the complete backups under a prefix: those with a manifest. */
export async function listBucketIds(bucket: Bucket, prefix: string): Promise<Set<string>> {
  return idsOf(await listBucketFiles(bucket, prefix));
}

export const idsOf = (names: Set<string>): Set<string> =>
  new Set(
    [...names]
      .filter((name) => name.endsWith(".json"))
      .map((name) => name.slice(0, -".json".length)),
  );

/** The name of a part in the bucket: its own, or that of the encrypted copy. */
export function findStoredName(names: Set<string>, file: string): string {
  const encrypted = encryptedName(file);
  return names.has(encrypted) && !names.has(file) ? encrypted : file;
}

/** Newest first, by the time at the end of each id. */
export const sortNewestFirst = (ids: Iterable<string>): string[] =>
  [...ids].sort((a, b) => stampOf(b).localeCompare(stampOf(a)));

const stampOf = (id: string) => /\d{8}T\d{6}Z(-\d+)?$/.exec(id)?.[0] ?? "";

export async function readBucketManifest(
  bucket: Bucket,
  prefix: string,
  id: string,
): Promise<Manifest | undefined> {
  return parseManifest(await readBucketText(bucket, `${prefix}${id}.json`), bucket.seal);
}

/** Undefined if the backup was not verified yet. `names` are the files under the prefix. */
export async function readBucketProof(
  bucket: Bucket,
  prefix: string,
  names: Set<string>,
  id: string,
): Promise<Proof | undefined> {
  // For a missing object S3 answers "forbidden" to a key that may not list.
  if (!names.has(proofName(id))) return undefined;
  return parseProof(await readBucketText(bucket, `${prefix}${proofName(id)}`), bucket.seal);
}

export async function readBucketText(bucket: Bucket, name: string): Promise<string> {
  const { GetObjectCommand } = await import("@aws-sdk/client-s3");
  const get = new GetObjectCommand({ Bucket: bucket.name, Key: bucket.key(name) });
  return inTime(async (abortSignal) => {
    const { Body } = await bucket.client.send(get, { abortSignal });
    return (await Body?.transformToString()) ?? "";
  });
}
