import { createHash } from "node:crypto";
import { createReadStream, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { unreachable } from "../../error.ts";
import { formatBytes } from "../../human-units.ts";
import { type Note, withProgress } from "../../progress.ts";
import type { BackupSettings } from "../../settings.ts";
import { computeCompositeSum } from "../format/composite-sum.ts";
import { withUploadFile } from "../format/encrypt.ts";
import { type Manifest, type Part, partsOf } from "../format/manifest.ts";
import type { Bucket } from "./bucket-client.ts";
import { manifestFile } from "./folder.ts";

/** S3 allows 10,000 parts, so parts of 16 MiB are enough for 160 GB. Larger files get larger parts. */
const PART_BYTES = 16 << 20;
const MAX_PARTS = 9_000;
/** Few parts are in memory at once, so that a large database does not need a large agent. */
const PARALLEL_PARTS = 2;

const computePartBytes = (size: number) => Math.max(PART_BYTES, Math.ceil(size / MAX_PARTS));

export interface UploadOptions {
  note?: Note;
  signal?: AbortSignal;
}

/** Uploads the manifest last: files without a manifest are not a backup. */
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
  // A bucket with Object Lock refuses uploads without a checksum.
  const options = { ContentType: "application/json", ChecksumAlgorithm: "SHA256" } as const;
  await bucket.client.send(new PutObjectCommand({ ...object, ...options }));
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
      // S3 checks each part with it.
      ChecksumAlgorithm: "SHA256",
    },
    partSize: computePartBytes(size),
    queueSize: PARALLEL_PARTS,
    // The access key may not delete. The bucket's lifecycle removes the parts of failed uploads.
    leavePartsOnError: true,
  });
  const stop = () => void upload.abort();
  signal?.addEventListener("abort", stop, { once: true });
  let sent = 0;
  upload.on("httpUploadProgress", ({ loaded }) => {
    sent = loaded ?? sent;
  });
  const describe = () => `uploading ${key}: ${formatBytes(sent)} of ${formatBytes(size)}`;
  try {
    signal?.throwIfAborted();
    await withProgress(note, describe, () => upload.done());
  } finally {
    signal?.removeEventListener("abort", stop);
  }
}

/** Compares size and hash of the stored object with the file. */
async function assertStored(bucket: Bucket, path: string, key: string, part: Part): Promise<void> {
  const { HeadObjectCommand } = await import("@aws-sdk/client-s3");
  const head = await bucket.client.send(
    new HeadObjectCommand({ Bucket: bucket.name, Key: key, ChecksumMode: "ENABLED" }),
  );
  if (head.ContentLength !== part.size) {
    throw unreachable(
      `${key} was uploaded, but the bucket holds ${head.ContentLength} bytes of ${part.size}; "pgstead backup upload" tries again`,
    );
  }
  const checksum = Buffer.from(head.ChecksumSHA256?.split("-")[0] ?? "", "base64").toString("hex");
  if (checksum === part.sha256) return;
  const partBytes = computePartBytes(part.size);
  if (checksum && checksum === (await computeCompositeSum(path, partBytes))) return;
  // The service stores no checksums, so the object is downloaded and hashed.
  if ((await hashDownload(bucket, key)) === part.sha256) return;
  throw unreachable(
    `${key} was uploaded, but the object in the bucket differs from the file; "pgstead backup upload" tries again`,
  );
}

async function hashDownload(bucket: Bucket, key: string): Promise<string> {
  const { GetObjectCommand } = await import("@aws-sdk/client-s3");
  const { Body } = await bucket.client.send(
    new GetObjectCommand({ Bucket: bucket.name, Key: key }),
  );
  const hash = createHash("sha256");
  for await (const chunk of Body as AsyncIterable<Uint8Array>) hash.update(chunk);
  return hash.digest("hex");
}
