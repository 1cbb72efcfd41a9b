import type * as pulumi from "@pulumi/pulumi";

/**
 * What every engine yields, so that migrations, backups, verbs and outputs do not ask which engine
 * they stand on.
 */
export interface Endpoint {
  /** As seen by applications: from the stack's network, or from this machine where there is none. */
  readonly host: pulumi.Output<string>;
  readonly port: pulumi.Output<number>;
  readonly database: pulumi.Output<string>;
  /** As the application's role. */
  readonly url: pulumi.Output<string>;
  /** Null where the engine lets in whoever comes. */
  readonly migratorUrl: pulumi.Output<string | null>;
  readonly readonlyUrl: pulumi.Output<string | null>;
  /** As seen from the machine that runs Pulumi; null where nothing is published. */
  readonly hostUrl: pulumi.Output<string | null>;
  /** Network for applications to join. */
  readonly network: pulumi.Output<string | null>;
  readonly image: pulumi.Output<string | null>;
  readonly postgresVersion: pulumi.Output<string>;
  readonly pgvectorVersion: pulumi.Output<string>;
}
