import type * as pulumi from "@pulumi/pulumi";

/** The outputs of every engine: code that uses them need not know which engine it is. */
export interface Endpoint {
  /** Host for applications: on the stack's network, or on this machine if there is no network. */
  readonly host: pulumi.Output<string>;
  readonly port: pulumi.Output<number>;
  readonly database: pulumi.Output<string>;
  /** URL for the role `app`; a secret. */
  readonly url: pulumi.Output<string>;
  /** URL for the role `migrator`; null if the engine accepts every user. */
  readonly migratorUrl: pulumi.Output<string | null>;
  /** URL for the role `readonly`; null if the engine accepts every user. */
  readonly readonlyUrl: pulumi.Output<string | null>;
  /** `url` for the machine that runs Pulumi; null if no port is published. */
  readonly hostUrl: pulumi.Output<string | null>;
  /** Docker network for applications; null if the server runs in no container. */
  readonly network: pulumi.Output<string | null>;
  /** Id of the server's image; null if the server runs in no container. */
  readonly image: pulumi.Output<string | null>;
  readonly postgresVersion: pulumi.Output<string>;
  readonly pgvectorVersion: pulumi.Output<string>;
}
