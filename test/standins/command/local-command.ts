import { diffFields, type Fields } from "../base/fields.ts";
import { type Properties, randomName, text, UNKNOWN } from "../base/properties.ts";
import type { Context, Resource } from "../base/resource.ts";
import { run } from "./run.ts";

const fields: Fields = {
  create: {},
  update: {},
  delete: {},
  triggers: { kind: "list", replace: true },
  environment: { kind: "map" },
  stdin: {},
  interpreter: { kind: "list" },
  dir: {},
  logging: {},
  addPreviousOutputInEnv: {},
  assetPaths: { kind: "list" },
  archivePaths: { kind: "list" },
};

async function execute(context: Context, command: string, inputs: Properties, state: Properties) {
  const previous = inputs.addPreviousOutputInEnv === false ? {} : state;
  return run(command, inputs, previous, inputs.logging, context.status);
}

export const localCommand: Resource = {
  async check(_context, _olds, news) {
    return news;
  },

  // Compares with the old inputs, not with the state, which also has outputs.
  diff(_context, state, oldInputs, news) {
    const olds = Object.keys(oldInputs).length > 0 ? oldInputs : state;
    return { changes: diffFields(fields, olds, news) };
  },

  async create(context, inputs, preview, raw) {
    const id = randomName(context.name, 8).replace(/-([^-]*)$/, "$1");
    if (preview) return { id, state: { ...raw, stdout: UNKNOWN, stderr: UNKNOWN } };
    const command = text(inputs.create);
    // The official plugin also stores the command's output in clear text, even if an input is a secret.
    const outputs = command ? await execute(context, command, inputs, {}) : {};
    return { id, state: { ...raw, ...outputs } };
  },

  async update(context, _id, state, news, preview, raw) {
    if (preview) return { ...raw, stdout: UNKNOWN, stderr: UNKNOWN };
    const command = text(news.update ?? news.create);
    const previous = { stdout: state.stdout ?? "", stderr: state.stderr ?? "" };
    const outputs = command ? await execute(context, command, news, state) : previous;
    return { ...raw, ...outputs };
  },

  async delete(context, _id, state) {
    const command = text(state.delete);
    if (command) await execute(context, command, state, state);
  },
};
