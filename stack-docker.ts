import * as pulumi from "@pulumi/pulumi";
import { Agent } from "./components/agent.ts";
import { DockerPostgres } from "./components/engines/docker.ts";
import { Migrations } from "./components/migrations.ts";
import { readMigrationFiles } from "./components/pending-migrations.ts";
import type { StackConfig } from "./config.ts";

/** A stack on the engine `docker`: containers and named volumes of one Docker host. */
export async function deploy(config: StackConfig, _root: string) {
  const stack = pulumi.getStack();
  const dockerHost = new pulumi.Config("docker").get("host");
  const { postgres: server, migrations } = config;

  const postgres = new DockerPostgres("postgres", {
    ...server,
    database: config.database,
    passwords: { fixed: server.passwords, rotation: server.passwordRotation },
    publishedPort: config.publish ? config.port : undefined,
    serverSettings: server.settings,
    migratorScheme: migrations.command && migrations.urlScheme,
    protect: config.protect,
    checks: config.checks,
    dockerHost,
  });
  const files = await readMigrationFiles({ stack });

  const migrated = new Migrations("migrations", {
    folder: migrations.folder,
    pending: files.pending,
    runOn: migrations.runOn,
    startSeconds: server.startSeconds,
    tool: migrations.command ? { ...migrations, volume: postgres.migratorVolume } : undefined,
    container: postgres.container,
    agent: postgres.agent,
    network: postgres.network,
    dockerHost,
  });

  new Agent(
    "agent",
    { agent: postgres.agent, network: postgres.network, dockerHost },
    { dependsOn: migrated },
  );
  return { postgres, schemaVersion: files.newest };
}
