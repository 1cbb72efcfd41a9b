import { createPrivateKey, X509Certificate } from "node:crypto";
import { ConfigError } from "../error.ts";

export interface TlsPair {
  /** PEM of the certificate, followed by those between it and its authority. */
  certificate: string;
  /** PEM of its private key. */
  key: string;
}

const DAY_MS = 24 * 3600_000;
const SOON_DAYS = 30;

/**
 * Refuses a pair with which the server would not start, or that no verifying client would accept. The
 * old server still runs then. Returns a warning if the certificate expires soon.
 */
export function assertTlsPair({ certificate, key }: TlsPair, now = new Date()): string | undefined {
  const leaf = readCertificate(certificate);
  const [from, to] = [new Date(leaf.validFrom), new Date(leaf.validTo)];
  const subject = `"tls.certificate" (${leaf.subject.replaceAll("\n", ", ")})`;
  if (!leaf.checkPrivateKey(readKey(key))) {
    throw new ConfigError(
      `"tls.key" is not the key of ${subject}: the server would not start; set both of one pair`,
    );
  }
  if (to < now) throw new ConfigError(`${subject} has expired at ${to.toISOString()}; ${RENEW}`);
  if (from > now) {
    throw new ConfigError(
      `${subject} is valid from ${from.toISOString()} on, and now is ${now.toISOString()}; ${RENEW}`,
    );
  }
  const days = Math.floor((to.getTime() - now.getTime()) / DAY_MS);
  return days < SOON_DAYS ? `${subject} expires in ${days} d, at ${to.toISOString()}` : undefined;
}

const RENEW =
  "set a certificate that is valid now, and its key, or leave both out to have one generated";

function readCertificate(pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (error) {
    throw new ConfigError(
      `"tls.certificate" is no certificate in PEM (${(error as Error).message}); set a text that begins with -----BEGIN CERTIFICATE-----, with the server's certificate first`,
    );
  }
}

function readKey(pem: string) {
  if (!pem)
    throw new ConfigError('"tls.certificate" is given without "tls.key"; set both of one pair');
  try {
    return createPrivateKey(pem);
  } catch {
    // The error of Node is left out, because it could quote the key.
    const why = pem.includes("ENCRYPTED")
      ? "is encrypted, and the server has no passphrase for it"
      : "is no private key in PEM";
    throw new ConfigError(`"tls.key" ${why}; set the key as openssl pkey -in KEY prints it`);
  }
}
