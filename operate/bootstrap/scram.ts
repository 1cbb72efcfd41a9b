import { createHash, createHmac, pbkdf2Sync, randomBytes, timingSafeEqual } from "node:crypto";

const ITERATIONS = 4096;

/** The form in which the server stores a password (RFC 5802). The password itself is never sent. */
export function createScramVerifier(
  password: string,
  salt = randomBytes(16),
  iterations = ITERATIONS,
) {
  const salted = pbkdf2Sync(password.normalize("NFKC"), salt, iterations, 32, "sha256");
  const clientKey = createHmac("sha256", salted).update("Client Key").digest();
  const storedKey = createHash("sha256").update(clientKey).digest("base64");
  const serverKey = createHmac("sha256", salted).update("Server Key").digest("base64");
  return `SCRAM-SHA-256$${iterations}:${salt.toString("base64")}$${storedKey}:${serverKey}`;
}

/** Whether the server's verifier belongs to this password. It is computed with the verifier's salt. */
export function matchesVerifier(password: string, verifier: string | null): boolean {
  const parts = /^SCRAM-SHA-256\$(\d+):([^$]+)\$/.exec(verifier ?? "");
  if (!parts || !verifier) return false;
  const salt = Buffer.from(parts[2]!, "base64");
  const expected = Buffer.from(createScramVerifier(password, salt, Number(parts[1])));
  const found = Buffer.from(verifier);
  return expected.length === found.length && timingSafeEqual(expected, found);
}
