import { chmodSync, copyFileSync, readFileSync } from "node:fs";
import { build, type Plugin } from "esbuild";
import { digestOf, sourceFiles } from "../cli/stale-bundle.ts";

const { version } = JSON.parse(readFileSync("package.json", "utf8"));

const common = {
  bundle: true,
  minifySyntax: true,
  // The file is a third smaller, so it loads faster. Names stay, so that stack traces are readable.
  minifyWhitespace: true,
  platform: "node",
  target: "node20",
  format: "cjs",
  // A script from V8's code cache, which `start` uses, cannot call `import()`.
  supported: { "dynamic-import": false },
} as const;

/**
 * Keeps the AWS SDK in a file of its own. It is two thirds of all code, only uploads need it, and loading
 * it at each start would take 30 ms.
 */
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

// The whole program in one file: `cli` and `operate`.
await build({
  ...common,
  entryPoints: ["cli/pgstead.ts"],
  outfile: "dist/pgstead.cjs",
  plugins: [awsSdk],
  banner: { js: "#!/usr/bin/env node" },
  define: {
    // pg reads it to detect a Cloudflare worker. Node's own `navigator` would load fetch, which takes 20 ms.
    navigator: JSON.stringify({ userAgent: "Node.js" }),
    "import.meta.dirname": "__dirname",
    PGSTEAD_VERSION: JSON.stringify(version),
    PGSTEAD_SOURCES: JSON.stringify(digestOf(".", sourceFiles("."))),
  },
  // Only a checkout uses these packages, from node_modules with their WebAssembly files; pg-native is never
  // used.
  external: ["@electric-sql/*", "@pgkit/*", "@pulumi/*", "pg-native"],
});

// The file that people start: it runs the same program from V8's code cache.
await build({
  ...common,
  entryPoints: ["cli/start.ts"],
  outfile: "dist/start.cjs",
  banner: { js: "#!/usr/bin/env node" },
});
// npm sets the bit at its first look only, not after a rebuild.
chmodSync("dist/start.cjs", 0o755);

await build({
  ...common,
  stdin: {
    contents: 'export * from "@aws-sdk/client-s3"; export { Upload } from "@aws-sdk/lib-storage";',
    resolveDir: ".",
  },
  outfile: "dist/aws-sdk.cjs",
});

// PostgreSQL's parser loads its WebAssembly from the folder of the running file.
copyFileSync("node_modules/libpg-query/wasm/libpg-query.wasm", "dist/libpg-query.wasm");
