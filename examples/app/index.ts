/*
 * An application in a stack of its own. It uses two outputs of a pgstead stack:
 * - the network, which its container joins;
 * - the URL of the application's role, which it gets as a file.
 */
import { join } from "node:path";
import { Container } from "@pulumi/docker/container.js";
import * as pulumi from "@pulumi/pulumi";
import { build } from "esbuild";

const config = new pulumi.Config();
const port = Number(config.get("port") ?? 8080);
const database = new pulumi.StackReference(config.get("database") ?? "organization/pgstead/dev");

// If the other stack has another passphrase, Pulumi returns its secrets empty, without an error.
const url = database.requireOutput("url").apply((value) => {
  if (typeof value === "string") return value;
  throw new pulumi.RunError(
    "the database's URL cannot be decrypted; deploy with the passphrase, or the key, of the database's stack",
  );
});

const program = await build({
  entryPoints: [join(import.meta.dirname, "server.ts")],
  bundle: true,
  write: false,
  platform: "node",
  format: "cjs",
  external: ["pg-native"],
});

const container = new Container("app", {
  name: `${pulumi.getStack()}-app`,
  image: config.get("image") ?? "node:24-alpine",
  entrypoints: ["node", "/app/server.cjs"],
  init: true,
  restart: "unless-stopped",
  wait: false,
  networksAdvanced: [{ name: database.requireOutput("network") as pulumi.Output<string> }],
  ports: [{ internal: 8080, external: port, ip: "127.0.0.1" }],
  // The URL is in a file, because `docker inspect` shows environment variables.
  uploads: [
    { file: "/app/server.cjs", content: program.outputFiles[0]!.text, permissions: "0444" },
    { file: "/app/database-url", content: pulumi.secret(url), permissions: "0444" },
  ],
});

export const address = pulumi.interpolate`http://127.0.0.1:${port}/?like=a+cat+on+a+sofa`;
export const name = container.name;
