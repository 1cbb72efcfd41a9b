/**
 * Loaded before the program, for a start and two endings that the Pulumi SDK gets wrong.
 */
import { createRequire } from "node:module";
import util from "node:util";

// The SDK shows an uncaught error with `util.inspect(error, { colors: true })`, and its source maps
// put frames like `node_modules/@pulumi/resource.ts:523` into the stack. On such a frame, a scope
// with no folder behind it, Node 20 loops until memory runs out: 25 seconds an error. Without
// colours it does not look for packages.
const inspect = util.inspect;
util.inspect = Object.assign(
  (value, options, ...legacy) =>
    value instanceof Error && options?.colors
      ? inspect(value, { ...options, colors: false })
      : inspect(value, options, ...legacy),
  inspect,
);

// When its engine is killed, the SDK waits for it, or reports the broken pipe into the broken pipe,
// for ever; its exit handlers wait as well.
const end = () => process.kill(process.pid, "SIGKILL");
const parent = process.ppid;
setInterval(() => {
  if (process.ppid !== parent) end();
}, 500).unref();
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error) => {
    if (error.code === "EPIPE") end();
  });
}

// What reads npm's trees and TypeScript's syntax serves those who serialise functions; the SDK loads
// both with its index, some 560 modules, on each run. Here they come with their first use.
const Module = createRequire(import.meta.url)("node:module");
const load = Module._load;
const isLate = (request) => request === "@npmcli/arborist" || request.endsWith("/typescript-shim");
Module._load = (request, ...rest) => {
  const loaded = () => load(request, ...rest);
  if (!isLate(request)) return loaded();
  return new Proxy({}, { get: (_, name) => name === "__esModule" || loaded()[name] });
};
