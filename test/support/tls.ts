import { generate } from "selfsigned";
import type { TlsPair } from "../../components/server/tls-pair.ts";

/** Creates a key and a certificate that is valid between two dates. */
export async function pairValid(notBeforeDate: Date, notAfterDate: Date): Promise<TlsPair> {
  const { cert, private: key } = await generate([{ name: "commonName", value: "db" }], {
    ...{ keyType: "ec", curve: "P-256", notBeforeDate, notAfterDate },
    extensions: [{ name: "subjectAltName", altNames: [{ type: 2, value: "postgres" }] }],
  });
  return { certificate: cert, key };
}
