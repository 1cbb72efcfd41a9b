/**
 * Loaded before the program, for two endings that the Pulumi SDK gets wrong.
 */
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
