import { copyFileSync, readFileSync } from "node:fs";
import { build } from "esbuild";
import { digestOf, sourceFiles } from "../cli/stale-bundle.ts";

const { version } = JSON.parse(readFileSync("package.json", "utf8"));

/** The whole program as one file: `cli` + `operate`. */
await build({
  entryPoints: ["cli/pgstead.ts"],
  outfile: "dist/pgstead.cjs",
  bundle: true,
  minifySyntax: true,
  // A third less to read at each start, mostly of the AWS SDK; names stay, for the stacks of bugs.
  minifyWhitespace: true,
  platform: "node",
  target: "node20",
  format: "cjs",
  banner: { js: "#!/usr/bin/env node" },
  define: {
    // Asked by pg whether this is a Cloudflare worker; without an answer it loads all of fetch, 20 ms.
    navigator: JSON.stringify({ userAgent: "Node.js" }),
    PGSTEAD_VERSION: JSON.stringify(version),
    PGSTEAD_SOURCES: JSON.stringify(digestOf(".", sourceFiles("."))),
  },
  // Only the operator's machine needs them, beside their WebAssembly files; pg-native is never used.
  external: ["@electric-sql/*", "@pgkit/*", "@pulumi/*", "pg-native"],
});

// Postgres's parser looks for its WebAssembly beside the file it runs from.
copyFileSync("node_modules/libpg-query/wasm/libpg-query.wasm", "dist/libpg-query.wasm");
