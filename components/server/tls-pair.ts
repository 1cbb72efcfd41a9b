import { createPrivateKey, X509Certificate } from "node:crypto";
import { ConfigError } from "../error.ts";

export interface TlsPair {
  /** PEM, with those between it and its authority. */
  certificate: string;
  /** PEM of the certificate's private key. */
  key: string;
}

const DAY_MS = 24 * 3600_000;
const SOON_DAYS = 30;

/**
 * Refuses what the server would not start with, or what no client that verifies would take, while the
 * old server still serves. Returns what somebody should know all the same.
 */
export function assertTlsPair({ certificate, key }: TlsPair, now = new Date()): string | undefined {
  const leaf = readCertificate(certificate);
  const [from, to] = [new Date(leaf.validFrom), new Date(leaf.validTo)];
  const is = `"tls.certificate" (${leaf.subject.replaceAll("\n", ", ")})`;
  if (!leaf.checkPrivateKey(readKey(key))) {
    throw new ConfigError(
      `"tls.key" is not the key of ${is}: the server would not start; set both of one pair`,
    );
  }
  if (to < now) throw new ConfigError(`${is} has expired at ${to.toISOString()}; ${RENEW}`);
  if (from > now) {
    throw new ConfigError(
      `${is} is valid from ${from.toISOString()} on, and now is ${now.toISOString()}; ${RENEW}`,
    );
  }
  const days = Math.floor((to.getTime() - now.getTime()) / DAY_MS);
  return days < SOON_DAYS ? `${is} expires in ${days} d, at ${to.toISOString()}` : undefined;
}

const RENEW =
  "set a certificate that is valid now and its key, or leave both out for one that is made here";

function readCertificate(pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (error) {
    throw new ConfigError(
      `"tls.certificate" is no certificate in PEM (${(error as Error).message}); it begins with -----BEGIN CERTIFICATE-----, the server's own first`,
    );
  }
}

function readKey(pem: string) {
  if (!pem)
    throw new ConfigError('"tls.certificate" is given without "tls.key"; set both of one pair');
  try {
    return createPrivateKey(pem);
  } catch {
    // Nothing of the key in the message.
    const why = pem.includes("ENCRYPTED")
      ? "is encrypted, and nobody asks the server for a passphrase"
      : "is no private key in PEM";
    throw new ConfigError(`"tls.key" ${why}; set the key as openssl pkey -in KEY prints it`);
  }
}
