/*
 * An application of its own stack, which consumes what a pgstead stack puts out:
 * - the network, which its container joins;
 * - the URL of the least-privileged role, handed over as a file.
 */
import { join } from "node:path";
import { Container } from "@pulumi/docker/container.js";
import * as pulumi from "@pulumi/pulumi";
import { build } from "esbuild";

const config = new pulumi.Config();
const port = Number(config.get("port") ?? 8080);
const database = new pulumi.StackReference(config.get("database") ?? "organization/pgstead/dev");

// Where the other stack's passphrase differs, its secrets arrive empty and without an error.
const url = database.requireOutput("url").apply((value) => {
  if (typeof value === "string") return value;
  throw new pulumi.RunError(
    "the database's URL cannot be decrypted: deploy with the passphrase, or the key, of its stack",
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
  // A file and no variable: those stand in `docker inspect`.
  uploads: [
    { file: "/app/server.cjs", content: program.outputFiles[0]!.text, permissions: "0444" },
    { file: "/app/database-url", content: pulumi.secret(url), permissions: "0444" },
  ],
});

export const address = pulumi.interpolate`http://127.0.0.1:${port}/?like=a+cat+on+a+sofa`;
export const name = container.name;
