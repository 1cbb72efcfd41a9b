/** Loaded before the program. It works around three faults of the Pulumi SDK: at errors, at exit, at start. */
import { createRequire } from "node:module";
import util from "node:util";

// The SDK prints an uncaught error with `util.inspect(error, { colors: true })`. Its source maps put frames
// such as `node_modules/@pulumi/resource.ts:523` into the stack, where `@pulumi` is followed by no package
// name. With colours, Node 20 looks for the package and loops until memory runs out: 25 seconds for each
// error. Without colours it does not look.
const inspect = util.inspect;
util.inspect = Object.assign(
  (value, options, ...legacy) =>
    value instanceof Error && options?.colors
      ? inspect(value, { ...options, colors: false })
      : inspect(value, options, ...legacy),
  inspect,
);

// After its engine was killed, the SDK waits for the engine without end, or writes EPIPE errors to the
// broken pipe without end. Its exit handlers wait too, so the process kills itself.
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

// The SDK's index loads a reader of npm's packages and the TypeScript compiler at each run: some 560
// modules. Only programs that serialise functions need them. Here they are loaded at their first use.
const Module = createRequire(import.meta.url)("node:module");
const load = Module._load;
const isLate = (request) => request === "@npmcli/arborist" || request.endsWith("/typescript-shim");
Module._load = (request, ...rest) => {
  const loaded = () => load(request, ...rest);
  if (!isLate(request)) return loaded();
  return new Proxy({}, { get: (_, name) => name === "__esModule" || loaded()[name] });
};
