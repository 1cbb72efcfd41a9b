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

/** Two slots, so that a complete copy remains while the other slot is overwritten. */
const SLOTS = ["a", "b"] as const;
/** S3 copies at most 5 GB in one request. */
const MAX_COPY_BYTES = 5e9;
const PART_BYTES = 1e9;

/**
 * S16: copies the newest proven backup to `keep/`, where nothing expires: if the agent stops for a year,
 * the bucket still has a backup. While none is proven, the caller offers the newest good one. The copy
 * runs inside the bucket, and the manifest is copied last.
 */
export async function copyToKeepSlot(
  bucket: Bucket,
  newest: Manifest,
  isProven: boolean,
): Promise<void> {
  // For a missing object S3 answers "forbidden" to a key that may not list.
  const names = await listBucketFiles(bucket, "keep/");
  const contents = await Promise.all(SLOTS.map((slot) => readSlot(bucket, names, slot)));
  const offered = { startedAt: newest.startedAt, isProven };
  if (contents.some((content) => content && compareSlots(content, offered) >= 0)) return;
  const present = contents.findIndex((content) => content?.startedAt === newest.startedAt);
  const [a, b] = contents;
  const isFirstOlder = !a || (b !== undefined && compareSlots(a, b) <= 0);
  const slot = SLOTS[present >= 0 ? present : isFirstOlder ? 0 : 1]!;
  if (present < 0) await copyBackup(bucket, newest, slot);
  if (isProven)
    await copyObject(bucket, `dumps/${proofName(newest.id)}`, `keep/${slot}/backup.proof`, 0);
}

interface SlotContent {
  startedAt: string;
  isProven: boolean;
}

/** Negative if `a` is worth less than `b`: by rank, then by time. */
const compareSlots = (a: SlotContent, b: SlotContent) =>
  rank(a) - rank(b) || a.startedAt.localeCompare(b.startedAt);

/** A backup dated in the future has the lowest rank: it must not keep later ones out. */
const rank = ({ startedAt, isProven }: SlotContent) => (isAhead(startedAt) ? 0 : isProven ? 2 : 1);

async function readSlot(
  bucket: Bucket,
  names: Set<string>,
  slot: string,
): Promise<SlotContent | undefined> {
  if (!names.has(`${slot}/backup.json`)) return undefined;
  const manifest = await readBucketManifest(bucket, `keep/${slot}/`, "backup");
  const text = names.has(`${slot}/backup.proof`)
    ? await readBucketText(bucket, `keep/${slot}/backup.proof`)
    : "";
  const proof = parseProof(text, bucket.seal);
  // The proof is overwritten last, so it may belong to the backup that was in the slot before.
  const isProven = proof?.state === "proven" && proof.id === manifest?.id;
  return manifest && { startedAt: manifest.startedAt, isProven };
}

async function copyBackup(bucket: Bucket, newest: Manifest, slot: string): Promise<void> {
  const names = await listBucketFiles(bucket, "dumps/");
  for (const { file, size } of partsOf(newest)) {
    const stored = findStoredName(names, file);
    const suffix = stored.slice(newest.id.length);
    await copyObject(bucket, `dumps/${stored}`, `keep/${slot}/backup${suffix}`, size);
  }
  await copyObject(bucket, `dumps/${newest.id}.json`, `keep/${slot}/backup.json`, 0);
}

async function copyObject(bucket: Bucket, from: string, to: string, size: number): Promise<void> {
  const { CopyObjectCommand } = await import("@aws-sdk/client-s3");
  const source = { CopySource: encodeURI(`${bucket.name}/${bucket.key(from)}`) };
  const target = { Bucket: bucket.name, Key: bucket.key(to) };
  if (size <= MAX_COPY_BYTES) {
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
  for (const [index, CopySourceRange] of splitIntoRanges(size).entries()) {
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

/** Byte ranges of a copy in parts, as S3 expects them. */
export function splitIntoRanges(size: number, partBytes = PART_BYTES): string[] {
  return Array.from({ length: Math.ceil(size / partBytes) }, (_, index) => {
    const first = index * partBytes;
    return `bytes=${first}-${Math.min(first + partBytes, size) - 1}`;
  });
}
