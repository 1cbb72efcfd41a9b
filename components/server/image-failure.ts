import { createHash } from "node:crypto";

interface Source {
  url?: string | undefined;
  sha256?: string | undefined;
}

/**
 * The error of a failed build holds the exit code of its last command, not its output. So the source is
 * fetched once more from here. Only a mirror that the builder alone reaches gives another answer.
 */
export async function explainImageFailure(
  error: string,
  { url, sha256 }: Source,
): Promise<string | undefined> {
  if (!url || !sha256 || !/compile-pgvector/.test(error)) return undefined;
  const found = await digestOf(url);
  if (found === sha256) {
    return "pgvector could not be compiled, although its source is the expected one; the lines of the build above say why";
  }
  const seen = found
    ? `the source at ${url} has SHA-256 ${found}, expected ${sha256}`
    : `if the build above complains of SHA-256, ${url} is expected to have ${sha256}`;
  return `pgvector was not compiled: ${seen}; set postgres.pgvector.sha256 only after you have checked the source`;
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
