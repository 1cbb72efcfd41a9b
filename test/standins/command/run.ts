import { spawn } from "node:child_process";
import { resolve } from "node:path";
import { createInterface } from "node:readline";

import { filesBelow, globPattern } from "../base/glob.ts";
import {
  fileAsset,
  isObject,
  list,
  type Properties,
  text,
  type Value,
} from "../base/properties.ts";

/** Runs one command like the official plugin. A failure's message contains everything it printed. */
export async function run(
  command: string,
  inputs: Properties,
  previous: Properties,
  logging: Value | undefined,
  status: (line: string) => void,
): Promise<Properties> {
  const interpreter = list(inputs.interpreter).map(text);
  const [program, ...args] = [
    ...(interpreter.length > 0 ? interpreter : ["/bin/sh", "-c"]),
    command,
  ];
  const cwd = inputs.dir ? text(inputs.dir) : process.cwd();
  const env: NodeJS.ProcessEnv = { ...process.env };
  for (const [name, value] of Object.entries(
    isObject(inputs.environment) ? inputs.environment : {},
  )) {
    env[name] = text(value);
  }
  if (previous.stdout) env.PULUMI_COMMAND_STDOUT = text(previous.stdout);
  if (previous.stderr) env.PULUMI_COMMAND_STDERR = text(previous.stderr);

  const child = spawn(program!, args, { cwd, env, stdio: ["pipe", "pipe", "pipe"] });
  const printed = { stdout: "", stderr: "", both: "" };
  for (const stream of ["stdout", "stderr"] as const) {
    child[stream].setEncoding("utf8").on("data", (chunk: string) => {
      printed[stream] += chunk;
      printed.both += chunk;
    });
    if (logs(logging, stream)) createInterface({ input: child[stream] }).on("line", status);
  }
  // The command may exit before it has read its input.
  child.stdin.on("error", () => {});
  child.stdin.end(text(inputs.stdin));

  await new Promise<void>((done, reject) => {
    const fail = (reason: string) =>
      reject(new Error(`${reason}: running "${command}":\n${printed.both}`));
    child.on("error", (error) => fail(error.message));
    child.on("close", (code, signal) => {
      if (code === 0) done();
      else fail(signal ? `signal: ${signal}` : `exit status ${code}`);
    });
  });

  const outputs: Properties = { stdout: trimmed(printed.stdout), stderr: trimmed(printed.stderr) };
  if (inputs.assetPaths !== undefined) {
    const patterns = list(inputs.assetPaths).map((each) => globPattern(text(each)));
    const paths = filesBelow(cwd).filter((path) => patterns.some((each) => each.test(path)));
    outputs.assets = Object.fromEntries(paths.map((path) => [path, fileAsset(resolve(cwd, path))]));
  }
  return outputs;
}

function logs(logging: Value | undefined, stream: "stdout" | "stderr"): boolean {
  const wanted = logging ?? "stdoutAndStderr";
  return wanted === "stdoutAndStderr" || wanted === stream;
}

function trimmed(output: string): string {
  return output.replace(/\n$/, "");
}
