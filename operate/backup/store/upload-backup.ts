import { createHash } from "node:crypto";
import { createReadStream, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { unreachable } from "../../error.ts";
import { bytes } from "../../human-units.ts";
import { type Note, withProgress } from "../../progress.ts";
import type { BackupSettings } from "../../settings.ts";
import { computeCompositeSum } from "../format/composite-sum.ts";
import { withUploadFile } from "../format/encrypt.ts";
import { type Manifest, type Part, partsOf } from "../format/manifest.ts";
import type { Bucket } from "./bucket-client.ts";
import { manifestFile } from "./folder.ts";

/** S3 takes 10,000 parts: 16 MiB reach 160 GB; above that, parts grow with the file. */
const PART_BYTES = 16 << 20;
const MAX_PARTS = 9_000;
/** Parts in memory at once, so that the agent's memory does not follow the size of the database. */
const QUEUE = 2;

const partBytes = (size: number) => Math.max(PART_BYTES, Math.ceil(size / MAX_PARTS));

export interface UploadOptions {
  note?: Note;
  signal?: AbortSignal;
}

/** The manifest last: what the bucket holds without one is no backup. */
export async function uploadBackup(
  bucket: Bucket,
  backups: BackupSettings,
  manifest: Manifest,
  options: UploadOptions,
): Promise<void> {
  for (const part of partsOf(manifest)) {
    await withUploadFile(backups, part, options.signal, async (folder, outgoing) => {
      const [path, key] = [join(folder, outgoing.file), bucket.key(`dumps/${outgoing.file}`)];
      await uploadFile(bucket, path, key, options);
      await assertStored(bucket, path, key, outgoing);
    });
  }
  options.signal?.throwIfAborted();
  const text = readFileSync(manifestFile(backups.folder, manifest.id), "utf8");
  await uploadJson(bucket, `dumps/${manifest.id}.json`, text);
}

export async function uploadJson(bucket: Bucket, name: string, text: string): Promise<void> {
  const { PutObjectCommand } = await import("@aws-sdk/client-s3");
  const object = { Bucket: bucket.name, Key: bucket.key(name), Body: text };
  // A bucket with Object Lock takes nothing that comes without a checksum.
  const how = { ContentType: "application/json", ChecksumAlgorithm: "SHA256" } as const;
  await bucket.client.send(new PutObjectCommand({ ...object, ...how }));
}

async function uploadFile(
  bucket: Bucket,
  path: string,
  key: string,
  { note, signal }: UploadOptions,
): Promise<void> {
  const { Upload } = await import("@aws-sdk/lib-storage");
  const { size } = statSync(path);
  const upload = new Upload({
    client: bucket.client,
    params: {
      Bucket: bucket.name,
      Key: key,
      Body: createReadStream(path, { highWaterMark: 1 << 20 }),
      // Each part is checked as it arrives.
      ChecksumAlgorithm: "SHA256",
    },
    partSize: partBytes(size),
    queueSize: QUEUE,
    // The key may not delete; the bucket's lifecycle clears what a broken upload leaves.
    leavePartsOnError: true,
  });
  const stop = () => void upload.abort();
  signal?.addEventListener("abort", stop, { once: true });
  let sent = 0;
  upload.on("httpUploadProgress", ({ loaded }) => {
    sent = loaded ?? sent;
  });
  const told = () => `uploading ${key}: ${bytes(sent)} of ${bytes(size)}`;
  try {
    signal?.throwIfAborted();
    await withProgress(note, told, () => upload.done());
  } finally {
    signal?.removeEventListener("abort", stop);
  }
}

/** What was sent is not what is stored until it has been read back. */
async function assertStored(bucket: Bucket, path: string, key: string, part: Part): Promise<void> {
  const { HeadObjectCommand } = await import("@aws-sdk/client-s3");
  const head = await bucket.client.send(
    new HeadObjectCommand({ Bucket: bucket.name, Key: key, ChecksumMode: "ENABLED" }),
  );
  if (head.ContentLength !== part.size) {
    throw unreachable(
      `${key} was uploaded, but the bucket holds ${head.ContentLength} bytes of ${part.size}`,
    );
  }
  const told = Buffer.from(head.ChecksumSHA256?.split("-")[0] ?? "", "base64").toString("hex");
  if (told === part.sha256) return;
  if (told && told === (await computeCompositeSum(path, partBytes(part.size)))) return;
  // A service that keeps no checksums: what it hands out decides.
  if ((await downloadedSum(bucket, key)) === part.sha256) return;
  throw unreachable(`${key} was uploaded, but what the bucket holds differs from the file`);
}

async function downloadedSum(bucket: Bucket, key: string): Promise<string> {
  const { GetObjectCommand } = await import("@aws-sdk/client-s3");
  const { Body } = await bucket.client.send(
    new GetObjectCommand({ Bucket: bucket.name, Key: key }),
  );
  const hash = createHash("sha256");
  for await (const chunk of Body as AsyncIterable<Uint8Array>) hash.update(chunk);
  return hash.digest("hex");
}
