import { copyFileSync, readFileSync } from "node:fs";
import { build, type Plugin } from "esbuild";
import { digestOf, sourceFiles } from "../cli/stale-bundle.ts";

const { version } = JSON.parse(readFileSync("package.json", "utf8"));

const common = {
  bundle: true,
  minifySyntax: true,
  // A third less to read at each start; names stay, for the stacks of bugs.
  minifyWhitespace: true,
  platform: "node",
  target: "node20",
  format: "cjs",
  // V8's cache, from which `start` runs it, forgets how a script imports.
  supported: { "dynamic-import": false },
} as const;

/** Two thirds of all code and needed by uploads alone: read at each start, it would cost 30 ms. */
const awsSdk: Plugin = {
  name: "aws-sdk-beside",
  setup: ({ onResolve, onLoad }) => {
    onResolve({ filter: /^\.\/aws-sdk\.cjs$/ }, ({ path }) => ({ path, external: true }));
    onResolve({ filter: /^@aws-sdk\// }, () => ({ path: "sdk", namespace: "aws-sdk" }));
    onLoad({ filter: /^sdk$/, namespace: "aws-sdk" }, () => ({
      contents: 'module.exports = require("./aws-sdk.cjs");',
    }));
  },
};

/** The whole program as one file: `cli` + `operate`. */
await build({
  ...common,
  entryPoints: ["cli/pgstead.ts"],
  outfile: "dist/pgstead.cjs",
  plugins: [awsSdk],
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

/** What people start: the same program, read from V8's cache. */
await build({
  ...common,
  entryPoints: ["cli/start.ts"],
  outfile: "dist/start.cjs",
  banner: { js: "#!/usr/bin/env node" },
});

await build({
  ...common,
  stdin: {
    contents: 'export * from "@aws-sdk/client-s3"; export { Upload } from "@aws-sdk/lib-storage";',
    resolveDir: ".",
  },
  outfile: "dist/aws-sdk.cjs",
});

// Postgres's parser looks for its WebAssembly beside the file it runs from.
copyFileSync("node_modules/libpg-query/wasm/libpg-query.wasm", "dist/libpg-query.wasm");
