import * as pulumi from "@pulumi/pulumi";
import type { SubjectAltNameEntry } from "selfsigned";
import { ConfigError } from "../error.ts";
import { stashFirst } from "./stash.ts";
import { assertTlsPair, type TlsPair } from "./tls-pair.ts";

export interface ServerTlsArgs {
  /**
   * PEM of the certificate, followed by those between it and its authority.
   * @default - one is generated that signs itself, for ten years
   */
  certificate?: pulumi.Input<string> | undefined;
  /** PEM of the certificate's private key; a secret. @default - it is generated too */
  key?: pulumi.Input<string> | undefined;
  /**
   * Names in the generated certificate besides `postgres` and `localhost`: hosts that clients connect to.
   * @default []
   * @example ["db.example.com"]
   */
  names?: string[] | undefined;
  /**
   * Any text; when it changes, a new certificate is generated.
   * @default - the first certificate stays
   * @example "2027"
   */
  renewal?: string | undefined;
}

/**
 * The server's certificate and key: the given ones, or a pair that is generated once and kept in the
 * stack's state.
 *
 * @example
 * new ServerTls("tls", { names: ["db.example.com"] });
 */
export class ServerTls extends pulumi.ComponentResource {
  /** PEM. */
  readonly certificate: pulumi.Output<string>;
  /** PEM; a secret. */
  readonly key: pulumi.Output<string>;
  /** The resources underneath, for what the outputs do not cover. */
  readonly nodes: { generated: pulumi.Stash | undefined };

  constructor(name: string, args: ServerTlsArgs = {}, opts?: pulumi.ComponentResourceOptions) {
    super("pgstead:index:ServerTls", name, {}, opts);
    if (args.key && !args.certificate) {
      throw new ConfigError('"tls.key" is given without "tls.certificate"; set both of one pair');
    }
    const generated = args.certificate ? undefined : createGenerated(this);
    const pair = createPair(this);
    // The server shows its certificate to every client; only the key is a secret.
    this.certificate = pulumi.unsecret(pair.apply(({ certificate }) => certificate));
    this.key = pulumi.secret(pair.apply(({ key }) => key));
    this.nodes = { generated };
    this.registerOutputs({});

    /** The pair after its check, so that no unchecked pair is used. Plain values are checked at once. */
    function createPair(component: pulumi.Resource): pulumi.Output<TlsPair> {
      const { certificate, key = "" } = args;
      if (!certificate) return generated!.output.apply((made: TlsPair) => made);
      const check = (pair: TlsPair) => {
        const warning = assertTlsPair(pair);
        if (warning) pulumi.log.warn(warning, component);
        return pair;
      };
      return typeof certificate === "string" && typeof key === "string"
        ? pulumi.output(check({ certificate, key }))
        : pulumi.output({ certificate, key }).apply(check);
    }

    function createGenerated(parent: pulumi.Resource) {
      return stashFirst(`${name}-generated`, generatePair(args.names), {
        parent,
        dependsOn: opts?.dependsOn ?? [],
        // Always set: Pulumi does not replace when it records the first trigger of a resource.
        replacementTrigger: args.renewal ?? "",
      });
    }
  }
}

const TEN_YEARS_MS = 10 * 365 * 24 * 3600 * 1000;

export async function generatePair(names: string[] = []): Promise<TlsPair> {
  const { generate } = await import("selfsigned");
  const altNames: SubjectAltNameEntry[] = ["postgres", "localhost", ...names].map((value) => ({
    type: 2,
    value,
  }));
  const { cert, private: key } = await generate([{ name: "commonName", value: "postgres" }], {
    keyType: "ec",
    curve: "P-256",
    notAfterDate: new Date(Date.now() + TEN_YEARS_MS),
    extensions: [{ name: "subjectAltName", altNames: [...altNames, { type: 7, ip: "127.0.0.1" }] }],
  });
  return { certificate: cert, key };
}
