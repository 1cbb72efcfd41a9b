import { diffFields, type Fields, missingFields, withDefaults } from "./fields.ts";
import { hasUnknown, list, type Properties, randomName, stable, UNKNOWN } from "./properties.ts";
import { CheckFailure, type Context, PartialFailure, type Resource } from "./resource.ts";

/** What a bridged resource type does to the real thing; the rest follows from its fields. */
export interface Operations {
  fields: Fields;
  /** Outputs that no input has: unknown in the preview of a create. */
  outputs: string[];
  deleteBeforeReplace?: boolean;
  check?(inputs: Properties): void;
  create(context: Context, inputs: Properties): Promise<string>;
  read(context: Context, id: string, state: Properties): Promise<Properties | null>;
  /** Without it, what does not replace changes the state alone. */
  update?(context: Context, id: string, state: Properties, news: Properties): Promise<void>;
  delete(context: Context, id: string, state: Properties): Promise<void>;
}

// A resource whose creation failed half-way is replaced by the next update.
const TAINTED = "__tainted";

/**
 * A resource with the habits of a bridged Terraform one: the diff is taken against the state (which
 * refresh has read from the real thing), defaults are listed, names are generated, and an update
 * writes what was planned to the state without looking.
 */
export function bridged(operations: Operations): Resource {
  const { fields } = operations;
  const autonamed = Object.keys(fields).filter((name) => fields[name]?.autoname);

  async function stateOf(context: Context, id: string, inputs: Properties): Promise<Properties> {
    const read = await operations.read(context, id, inputs);
    if (!read) throw new Error(`${context.name}: gone right after it was made (${id})`);
    return { ...inputs, ...read };
  }

  return {
    async check(context, olds, news) {
      const inputs = { ...news };
      const generated: string[] = [];
      for (const name of autonamed) {
        if (inputs[name] !== undefined) continue;
        const wasGenerated = list(olds.__defaults).includes(name);
        inputs[name] = wasGenerated && olds[name] ? olds[name] : randomName(context.name);
        generated.push(name);
      }
      for (const name of missingFields(fields, inputs)) {
        throw new CheckFailure(name, `Missing required argument: "${name}" is required`);
      }
      if (!hasUnknown(inputs)) operations.check?.(inputs);
      const result = withDefaults(fields, inputs);
      result.__defaults = [...list(result.__defaults), ...generated].sort();
      return result;
    },

    diff(_context, state, _oldInputs, news) {
      const changes = diffFields(fields, state, news);
      if (state[TAINTED]) changes.id = { kind: "update", replace: true };
      // A name given by hand cannot be held by the old one and the new one at once.
      const fixed = autonamed.some(
        (name) =>
          !list(news.__defaults).includes(name) && stable(state[name]) === stable(news[name]),
      );
      return { changes, deleteBeforeReplace: operations.deleteBeforeReplace || fixed };
    },

    async create(context, inputs, preview) {
      if (preview) {
        const unknown: Properties = Object.fromEntries(
          operations.outputs.map((name) => [name, UNKNOWN]),
        );
        for (const [name, field] of Object.entries(fields)) {
          if (field.computed && inputs[name] === undefined) unknown[name] = UNKNOWN;
        }
        return { id: "", state: { ...unknown, ...inputs, id: UNKNOWN } };
      }
      try {
        const id = await operations.create(context, inputs);
        return { id, state: { ...(await stateOf(context, id, inputs)), id } };
      } catch (error) {
        if (!(error instanceof PartialFailure)) throw error;
        const read = await operations.read(context, error.id, inputs).catch(() => null);
        const state = { ...inputs, ...read, id: error.id, [TAINTED]: true };
        throw new PartialFailure(error.message, error.id, state);
      }
    },

    async update(context, id, state, news, preview) {
      if (!preview) await operations.update?.(context, id, state, news);
      const planned = { ...state, ...news, id };
      for (const [name, field] of Object.entries(fields)) {
        if (news[name] === undefined && !field.computed) delete planned[name];
      }
      return planned;
    },

    async read(context, id, state, inputs) {
      const found = await operations.read(context, id, state);
      if (!found) return null;
      return { id, state: { ...state, ...found, id }, inputs };
    },

    async delete(context, id, state) {
      await operations.delete(context, id, state);
    },
  };
}
