import * as pulumi from "@pulumi/pulumi";
import type { EmbeddedPostgres } from "../engines/embedded.ts";
import { beforeChange } from "../guards/hooks.ts";
import { runPgstead } from "../pgstead.ts";
import { migrationInput } from "./run-input.ts";

export interface EmbeddedMigrationsArgs {
  /** The server to migrate. */
  postgres: EmbeddedPostgres;
  /**
   * Versions that are not applied yet. A preview shows them.
   * @example ["0001_tenants"]
   */
  pending: string[];
  /**
   * When to run: at each `up` (`always`), or only when `pending` has changed (`changed`).
   * @default "always"
   */
  runOn?: "always" | "changed";
}

/**
 * Applies the migrations folder to the embedded server at each `up`.
 *
 * @example
 * new EmbeddedMigrations("migrations", { postgres, pending: ["0001_tenants"] });
 */
export class EmbeddedMigrations extends pulumi.ComponentResource {
  /** The child resources. */
  readonly nodes: { run: pulumi.Stash };

  constructor(name: string, args: EmbeddedMigrationsArgs, opts?: pulumi.ComponentResourceOptions) {
    super("pgstead:index:EmbeddedMigrations", name, {}, opts);
    const run = createRun(this);
    this.nodes = { run };
    this.registerOutputs({});

    function createRun(parent: pulumi.Resource) {
      const hooks = beforeChange(`${name}-apply`, async () => {
        // The server may have stopped after its own resource was last changed.
        await args.postgres.start();
        await runPgstead(["migrate", "up", "--settings", args.postgres.settingsFile]);
      });
      return new pulumi.Stash(
        `${name}-run`,
        { input: migrationInput(args.pending, args.runOn) },
        {
          parent,
          hooks,
          dependsOn: args.postgres.nodes.server,
        },
      );
    }
  }
}
