import { createHash } from "node:crypto";

interface Source {
  url?: string | undefined;
  sha256?: string | undefined;
}

/**
 * A build ends with the exit code of its last command; what that has printed is no longer there. So the
 * source is looked at once more from here, which sees the same unless a mirror is the builder's alone.
 */
export async function explainImageFailure(
  error: string,
  { url, sha256 }: Source,
): Promise<string | undefined> {
  if (!url || !sha256 || !/compile-pgvector/.test(error)) return undefined;
  const found = await digestOf(url);
  if (found === sha256) {
    return "pgvector could not be compiled, though its source is the expected one; the lines of the build above say why";
  }
  const seen = found
    ? `the source at ${url} has SHA-256 ${found}, expected ${sha256}`
    : `if the lines of the build above speak of SHA-256: expected of ${url} is ${sha256}`;
  return `pgvector was not compiled: ${seen}; set postgres.pgvector.sha256 only after you have made sure of the source`;
}

async function digestOf(url: string): Promise<string | undefined> {
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
