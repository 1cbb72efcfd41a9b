import { generateKeyPairSync } from "node:crypto";
import { beforeAll, describe, expect, test } from "vitest";
import { generatePair } from "../../components/server/tls.ts";
import { assertTlsPair, type TlsPair } from "../../components/server/tls-pair.ts";
import { pairValid } from "../support/tls.ts";

const DAY_MS = 24 * 3600_000;
const inDays = (days: number) => new Date(Date.now() + days * DAY_MS);

let pair: TlsPair;
let other: TlsPair;
beforeAll(async () => {
  [pair, other] = await Promise.all([generatePair(), generatePair()]);
});

describe("certificate and key of the server", () => {
  test("those made here fit, for years", () => {
    expect(assertTlsPair(pair)).toBeUndefined();
    expect(assertTlsPair(pair, inDays(9 * 365))).toBeUndefined();
  });

  test("one that expires soon is told of and let through", async () => {
    const soon = await pairValid(inDays(-300), inDays(10.5));
    expect(assertTlsPair(soon)).toMatch(/^"tls.certificate" \(CN=db\) expires in 10 d, at 20/);
  });

  test("fails for what the server would not start with, without a word of the key", () => {
    const { certificate, key } = pair;
    const encrypted = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({
      ...{ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "p" },
    });
    const cases: [TlsPair, string][] = [
      [
        { certificate, key: other.key },
        '"tls.key" is not the key of "tls.certificate" (CN=postgres)',
      ],
      [{ certificate, key: "" }, '"tls.certificate" is given without "tls.key"'],
      [{ certificate, key: certificate }, '"tls.key" is no private key in PEM'],
      [{ certificate, key: String(encrypted) }, '"tls.key" is encrypted'],
      [{ certificate: key, key }, '"tls.certificate" is no certificate in PEM'],
    ];
    for (const [given, message] of cases) {
      expect(() => assertTlsPair(given)).toThrow(message);
      const secret = key.split("\n")[1]!;
      expect(() => assertTlsPair(given)).not.toThrow(secret);
    }
  });

  test("fails for one that is not valid now", async () => {
    const expired = await pairValid(inDays(-20), inDays(-1));
    expect(() => assertTlsPair(expired)).toThrow(/"tls.certificate" \(CN=db\) has expired at 20/);
    const early = await pairValid(inDays(2), inDays(20));
    expect(() => assertTlsPair(early)).toThrow(/is valid from 20.* on, and now is 20/);
  });
});
