import { createHash } from "node:crypto";

/** Where the source of pgvector comes from. */
interface Source {
  url?: string | undefined;
  /** The expected checksum of the archive. */
  sha256?: string | undefined;
}

/**
 * Explains why pgvector was not compiled; undefined for other errors. The error of a build has only the
 * exit code of the failed command, not its output. So this downloads the source once more and compares
 * the checksum. The result is the same unless only the builder can reach the mirror.
 */
export async function explainImageFailure(
  error: string,
  { url, sha256 }: Source,
): Promise<string | undefined> {
  if (!url || !sha256 || !/compile-pgvector/.test(error)) return undefined;
  const found = await downloadDigest(url);
  if (found === sha256) {
    return "pgvector could not be compiled, although its source has the expected checksum; the build's output above has the reason";
  }
  const reason = found
    ? `the source at ${url} has SHA-256 ${found}, expected ${sha256}`
    : `the source could not be downloaded here to compare it; the SHA-256 of ${url} must be ${sha256}, and the build's output above has the reason`;
  return `pgvector was not compiled: ${reason}; change postgres.pgvector.sha256 only if you trust the source`;
}

async function downloadDigest(url: string): Promise<string | undefined> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(10_000) });
    if (!response.ok) return undefined;
    return createHash("sha256")
      .update(new Uint8Array(await response.arrayBuffer()))
      .digest("hex");
  } catch {
    return undefined;
  }
}
