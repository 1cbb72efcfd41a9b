/**
 * A language host for a Pulumi CLI without one, such as a CLI built from source. It serves the engine's
 * `LanguageRuntime` service and starts the program with the SDK's own run script. The official CLI has a
 * language host of its own and never uses this file.
 */
import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { join } from "node:path";

// The engine starts this in the program's folder, whose version of the SDK must be used.
const require = createRequire(join(process.cwd(), "package.json"));
const sdk = createRequire(require.resolve("@pulumi/pulumi"));
const grpc = sdk("@grpc/grpc-js");
const { Empty } = sdk("google-protobuf/google/protobuf/empty_pb.js");
const { LanguageRuntimeService } = sdk("./proto/language_grpc_pb.js");
const messages = sdk("./proto/language_pb.js");
const { PluginInfo } = sdk("./proto/plugin_pb.js");
const { version } = sdk("./package.json");

// The SDK's run script exits with this code after it has shown its own error message.
const ALREADY_EXPLAINED = 32;

const engineAddress = process.argv.slice(2).find((arg) => !arg.startsWith("-"));
/** The running programs: a cancelled `up` must stop them. */
const programs = new Set();

// The engine starts this in another process group, so nothing signals that the engine was killed.
const engine = process.ppid;
setInterval(() => {
  if (process.ppid === engine) return;
  for (const program of programs) program.kill("SIGKILL");
  process.exit(1);
}, 500).unref();

/** The command line of the SDK's run script, without empty values. */
function runArguments(request) {
  const info = request.getInfo();
  const options = {
    monitor: request.getMonitorAddress(),
    engine: engineAddress,
    organization: request.getOrganization(),
    project: request.getProject(),
    "root-directory": info.getRootDirectory(),
    stack: request.getStack(),
    pwd: info.getProgramDirectory(),
    parallel: String(request.getParallel()),
  };
  const flags = Object.entries(options).flatMap(([name, value]) =>
    value ? [`--${name}`, value] : [],
  );
  if (request.getDryrun()) flags.push("--dry-run");
  return [...flags, info.getEntryPoint(), ...request.getArgsList()];
}

function run({ request }, callback) {
  const info = request.getInfo();
  const runtime = info.getOptions()?.toJavaScript() ?? {};
  const args = [
    ...(runtime.nodeargs ? runtime.nodeargs.split(/\s+/) : []),
    sdk.resolve("./cmd/run/index.js"),
    ...runArguments(request),
  ];
  const env = {
    ...process.env,
    PULUMI_CONFIG: JSON.stringify(Object.fromEntries(request.getConfigMap().toArray())),
    PULUMI_CONFIG_SECRET_KEYS: JSON.stringify(request.getConfigsecretkeysList()),
    ...(runtime.typescript === true && { PULUMI_NODEJS_TYPESCRIPT: "true" }),
  };
  const program = spawn(process.execPath, args, {
    cwd: info.getProgramDirectory(),
    env,
    stdio: ["ignore", "inherit", "inherit"],
  });
  programs.add(program);
  program.on("error", (error) => answer(`could not start the program: ${error.message}`));
  program.on("exit", (code, signal) => {
    if (code === 0) answer("");
    else if (code === ALREADY_EXPLAINED) answer("", true);
    else answer(`the program ended with ${signal ?? `exit code ${code}`}`);
  });

  function answer(error, bail = false) {
    programs.delete(program);
    const response = new messages.RunResponse();
    response.setError(error);
    response.setBail(bail);
    callback(null, response);
  }
}

function cancel(_call, callback) {
  for (const program of programs) program.kill("SIGINT");
  callback(null, new Empty());
}

function pluginInfo(_call, callback) {
  const info = new PluginInfo();
  info.setVersion(version);
  callback(null, info);
}

/** The engine finds a provider at its first resource, so the list of required plugins may be empty. */
const answerWith = (Message) => (_call, callback) => callback(null, new Message());

const server = new grpc.Server();
server.addService(LanguageRuntimeService, {
  run,
  cancel,
  getPluginInfo: pluginInfo,
  getRequiredPlugins: answerWith(messages.GetRequiredPluginsResponse),
  getRequiredPackages: answerWith(messages.GetRequiredPackagesResponse),
  about: answerWith(messages.AboutResponse),
  getProgramDependencies: answerWith(messages.GetProgramDependenciesResponse),
  runtimeOptionsPrompts: answerWith(messages.RuntimeOptionsResponse),
});
server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  // The engine reads the port from the first line.
  process.stdout.write(`${port}\n`);
});
