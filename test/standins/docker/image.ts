import { existsSync } from "node:fs";
import { isAbsolute, join, relative } from "node:path";
import { createInterface } from "node:readline";

import type { Changes } from "../base/fields.ts";
import {
  hasUnknown,
  isObject,
  list,
  type Properties,
  secret,
  stable,
  text,
  UNKNOWN,
} from "../base/properties.ts";
import { CheckFailure, type Context, type Resource } from "../base/resource.ts";
import { contextDigest, packContext } from "./build-context.ts";
import { readTrace } from "./buildkit-log.ts";
import { connectedEngine } from "./engine.ts";

const PLATFORM = `linux/${process.arch === "x64" ? "amd64" : process.arch}`;

function withoutCredentials(inputs: Properties): Properties {
  if (!isObject(inputs.registry)) return inputs;
  return { ...inputs, registry: { server: inputs.registry.server ?? null } };
}

async function build(context: Context, inputs: Properties): Promise<Properties> {
  const engine = connectedEngine();
  const options = isObject(inputs.build) ? inputs.build : {};
  const name = text(inputs.imageName);
  const folder = text(options.context);
  const { archive, dockerfile } = packContext(folder, text(options.dockerfile));
  const query = new URLSearchParams({
    version: options.builderVersion === "BuilderV1" ? "1" : "2",
    t: name,
    dockerfile,
    platform: text(options.platform),
    buildargs: JSON.stringify(isObject(options.args) ? options.args : {}),
    target: text(options.target),
    networkmode: text(options.network),
  });
  for (const host of list(options.addHosts)) query.append("extrahosts", text(host));
  const headers = { "Content-Type": "application/x-tar", "Content-Length": archive.length };
  const answer = await engine.send("POST", `/build?${query}`, archive, headers);
  for await (const line of createInterface({ input: answer })) {
    if (line) report(context, JSON.parse(line));
  }
  if (!inputs.skipPush) await push(context, name);
  const built = await engine.get(`/images/${name}/json`);
  return {
    dockerfile: relative(folder, text(options.dockerfile)),
    context: folder,
    baseImageName: name,
    registryServer: isObject(inputs.registry) ? text(inputs.registry.server) : "",
    imageName: name,
    platform: text(options.platform),
    // Without a push there is no registry digest, so the local id identifies the content.
    repoDigest: inputs.skipPush ? built.Id : (built.RepoDigests?.[0] ?? built.Id),
  };
}

interface Message {
  id?: string;
  aux?: unknown;
  stream?: string;
  status?: string;
  error?: string;
  errorDetail?: { message?: string };
}

function report(context: Context, message: Message): void {
  const error = message.errorDetail?.message ?? message.error;
  if (error) throw new Error(error);
  const lines =
    message.id === "moby.buildkit.trace"
      ? readTrace(Buffer.from(String(message.aux), "base64"))
      : [message.stream ?? message.status ?? ""];
  const shown = lines.join("\n").trim();
  if (shown) context.status(shown);
}

async function push(context: Context, name: string): Promise<void> {
  context.status("Pushing Image to the registry");
  const headers = { "X-Registry-Auth": Buffer.from("{}").toString("base64url") };
  const answer = await connectedEngine().send("POST", `/images/${name}/push`, undefined, headers);
  for await (const line of createInterface({ input: answer })) {
    if (line) report(context, JSON.parse(line));
  }
}

function checkDockerfile(context: string, dockerfile: string): void {
  if (existsSync(dockerfile)) return;
  if (isAbsolute(dockerfile)) {
    throw new CheckFailure(
      "build",
      `expected a relative Dockerfile path; got "${dockerfile}" instead`,
    );
  }
  const inContext = join(context, dockerfile);
  const hint = existsSync(inContext) ? `. Try setting \`dockerfile\` to "${inContext}"` : "";
  throw new Error(`could not open dockerfile at relative path "${dockerfile}"${hint}`);
}

export const image: Resource = {
  async check(context, _olds, news) {
    if (news.imageName === undefined) throw new CheckFailure("imageName", "imageName is required");
    const given = isObject(news.build) ? news.build : {};
    const folder = text(given.context) || ".";
    const dockerfile = text(given.dockerfile) || join(folder, "Dockerfile");
    const options: Properties = { ...given, context: folder, dockerfile };
    if (folder !== UNKNOWN && dockerfile !== UNKNOWN) {
      checkDockerfile(folder, dockerfile);
      options.contextDigest = contextDigest(folder, dockerfile);
    }
    if (options.platform === undefined) {
      options.platform = PLATFORM;
      context.log(
        "info",
        `Building your image for ${PLATFORM} architecture.\nTo ensure you are building for the correct platform, consider explicitly setting the \`platform\` field on ImageBuildOptions.`,
      );
    }
    const name = text(news.imageName);
    if (!news.skipPush && name !== UNKNOWN && !/^[^/]*[.:][^/]*\//.test(name)) {
      throw new Error(
        `"${name}": repository name must be canonical.\nThis resource requires all image names to be fully qualified.`,
      );
    }
    return { ...news, build: options, buildOnPreview: news.buildOnPreview ?? false };
  },

  diff(_context, state, _oldInputs, news) {
    const olds = isObject(state.__inputs) ? withoutCredentials(state.__inputs) : {};
    const now = withoutCredentials(news);
    const changes: Changes = {};
    for (const name of new Set([...Object.keys(olds), ...Object.keys(now)])) {
      if (stable(olds[name]) === stable(now[name]) && !hasUnknown(now[name])) continue;
      const kind = olds[name] === undefined ? "add" : now[name] === undefined ? "delete" : "update";
      changes[name] = { kind, replace: false };
    }
    return { changes };
  },

  async create(context, inputs, preview) {
    // A preview returns only the inputs, because the result of the build is not known yet.
    if (preview && !(inputs.buildOnPreview && !hasUnknown(inputs)))
      return { id: "", state: inputs };
    const outputs = await build(context, preview ? { ...inputs, skipPush: true } : inputs);
    return { id: text(inputs.imageName), state: { ...outputs, __inputs: secret(inputs) } };
  },

  async update(context, _id, _state, news, preview) {
    if (preview && !(news.buildOnPreview && !hasUnknown(news))) return news;
    const outputs = await build(context, preview ? { ...news, skipPush: true } : news);
    return { ...outputs, __inputs: secret(news) };
  },

  // The image stays on the engine, because other tags and containers may use its layers.
  async delete() {},
};
