import { isAhead } from "../format/clock.ts";
import { type Manifest, partsOf } from "../format/manifest.ts";
import { parseProof, proofName } from "../format/proof.ts";
import type { Bucket } from "./bucket-client.ts";
import {
  findStoredName,
  listBucketFiles,
  readBucketManifest,
  readBucketText,
} from "./bucket-files.ts";

/** Two, so that the one being overwritten is never the only one. */
const SLOTS = ["a", "b"] as const;
/** S3 copies no more than 5 GB in one piece. */
const COPY_BYTES = 5e9;
const PART_BYTES = 1e9;

/**
 * S16: a copy of the newest proven backup under `keep/`, which nothing expires: an agent that is dead
 * for a year leaves a bucket that can be restored from. As long as none is proven, of the newest good
 * one. Copied within the bucket, manifest last.
 */
export async function copyToKeepSlot(
  bucket: Bucket,
  newest: Manifest,
  isProven: boolean,
): Promise<void> {
  // Listed first: to a key that may not list everything, a missing object is a forbidden one.
  const there = await listBucketFiles(bucket, "keep/");
  const kept = await Promise.all(SLOTS.map((slot) => readSlot(bucket, there, slot)));
  const rank = (slot: Slot) => `${standing(slot)} ${slot.startedAt}`;
  const offered = rank({ startedAt: newest.startedAt, isProven });
  if (kept.some((slot) => slot && rank(slot) >= offered)) return;
  const same = kept.findIndex((slot) => slot?.startedAt === newest.startedAt);
  const [a, b] = kept.map((slot) => (slot ? rank(slot) : ""));
  const slot = SLOTS[same >= 0 ? same : a! <= b! ? 0 : 1]!;
  if (same < 0) await copyBackup(bucket, newest, slot);
  if (isProven) await copy(bucket, `dumps/${proofName(newest.id)}`, `keep/${slot}/backup.proof`, 0);
}

/** In order: what a clock wrote that was ahead must not keep later ones out. */
const standing = ({ startedAt, isProven }: Slot) =>
  isAhead(startedAt) ? "ahead" : isProven ? "proven" : "good";

interface Slot {
  startedAt: string;
  isProven: boolean;
}

async function readSlot(bucket: Bucket, there: Set<string>, slot: string) {
  if (!there.has(`${slot}/backup.json`)) return undefined;
  const manifest = await readBucketManifest(bucket, `keep/${slot}/`, "backup");
  const text = there.has(`${slot}/backup.proof`)
    ? await readBucketText(bucket, `keep/${slot}/backup.proof`)
    : "";
  const proof = parseProof(text, bucket.seal);
  // A slot is overwritten dump first: the proof that lies there may be of the one before.
  const isProven = proof?.state === "proven" && proof.id === manifest?.id;
  return manifest && ({ startedAt: manifest.startedAt, isProven } satisfies Slot);
}

async function copyBackup(bucket: Bucket, newest: Manifest, slot: string): Promise<void> {
  const names = await listBucketFiles(bucket, "dumps/");
  for (const { file, size } of partsOf(newest)) {
    const stored = findStoredName(names, file);
    const suffix = stored.slice(newest.id.length);
    await copy(bucket, `dumps/${stored}`, `keep/${slot}/backup${suffix}`, size);
  }
  await copy(bucket, `dumps/${newest.id}.json`, `keep/${slot}/backup.json`, 0);
}

async function copy(bucket: Bucket, from: string, to: string, size: number): Promise<void> {
  const { CopyObjectCommand } = await import("@aws-sdk/client-s3");
  const source = { CopySource: encodeURI(`${bucket.name}/${bucket.key(from)}`) };
  const target = { Bucket: bucket.name, Key: bucket.key(to) };
  if (size <= COPY_BYTES) {
    await bucket.client.send(new CopyObjectCommand({ ...target, ...source }));
  } else {
    await copyInParts(bucket, source, target, size);
  }
}

async function copyInParts(
  { client }: Bucket,
  source: { CopySource: string },
  target: { Bucket: string; Key: string },
  size: number,
): Promise<void> {
  const s3 = await import("@aws-sdk/client-s3");
  const { UploadId } = await client.send(new s3.CreateMultipartUploadCommand(target));
  const Parts: { ETag: string | undefined; PartNumber: number }[] = [];
  for (const [index, CopySourceRange] of copyRanges(size).entries()) {
    const PartNumber = index + 1;
    const part = { ...target, ...source, UploadId, PartNumber, CopySourceRange };
    const { CopyPartResult } = await client.send(new s3.UploadPartCopyCommand(part));
    Parts.push({ ETag: CopyPartResult?.ETag, PartNumber });
  }
  const MultipartUpload = { Parts };
  await client.send(
    new s3.CompleteMultipartUploadCommand({ ...target, UploadId, MultipartUpload }),
  );
}

export function copyRanges(size: number, partBytes = PART_BYTES): string[] {
  return Array.from({ length: Math.ceil(size / partBytes) }, (_, index) => {
    const first = index * partBytes;
    return `bytes=${first}-${Math.min(first + partBytes, size) - 1}`;
  });
}
