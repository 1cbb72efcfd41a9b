import * as pulumi from "@pulumi/pulumi";
import type { EmbeddedPostgres } from "../engines/embedded.ts";
import { beforeChange } from "../guards/hooks.ts";
import { runPgstead } from "../pgstead.ts";
import { migrationInput } from "./run-input.ts";

export interface EmbeddedMigrationsArgs {
  postgres: EmbeddedPostgres;
  /** Versions that wait to be applied, as a preview shows them. */
  pending: string[];
  /**
   * Run on each `up` (`always`), or only when files changed or the server was down (`changed`).
   * @default "always"
   */
  runOn?: "always" | "changed";
}

/**
 * Applies the SQL of the migrations folder to the embedded server on each `up`.
 *
 * @example
 * new EmbeddedMigrations("migrations", { postgres, pending: ["0001_tenants"] });
 */
export class EmbeddedMigrations extends pulumi.ComponentResource {
  /** The resources underneath, for what the outputs do not cover. */
  readonly nodes: { run: pulumi.Stash };

  constructor(name: string, args: EmbeddedMigrationsArgs, opts?: pulumi.ComponentResourceOptions) {
    super("pgstead:index:EmbeddedMigrations", name, {}, opts);
    const run = createRun(this);
    this.nodes = { run };
    this.registerOutputs({});

    function createRun(parent: pulumi.Resource) {
      const hooks = beforeChange(`${name}-apply`, async () => {
        // The server may have ended since its own resource was last changed.
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
