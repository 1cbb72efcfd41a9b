import { diffFields, type Fields, missingFields, withDefaults, withoutMarks } from "./fields.ts";
import {
  hasUnknown,
  list,
  type Properties,
  randomName,
  secret,
  stable,
  UNKNOWN,
} from "./properties.ts";
import { CheckFailure, type Context, PartialFailure, type Resource } from "./resource.ts";

/** The operations of a bridged resource type on the real object. The rest follows from its fields. */
export interface Operations {
  fields: Fields;
  /** Outputs that are not inputs. They are unknown in the preview of a create. */
  outputs: string[];
  /** Outputs that only a read sets. A partly created resource shows them as a change until a refresh. */
  readOnce?: string[];
  /** Outputs that are always secret. */
  secretOutputs?: string[];
  /** Inputs that the real object returns in another format. Only a refresh shows the difference. */
  keptAsPlanned?: string[];
  deleteBeforeReplace?: boolean;
  check?(inputs: Properties): void;
  create(context: Context, inputs: Properties): Promise<string>;
  read(context: Context, id: string, state: Properties): Promise<Properties | null>;
  /** Without it, a change that does not replace changes only the state. */
  update?(context: Context, id: string, state: Properties, news: Properties): Promise<void>;
  delete(context: Context, id: string, state: Properties): Promise<void>;
}

/**
 * Creates a resource that behaves like a bridged Terraform resource. It compares with the state, which a
 * refresh has read from the real object. It lists defaults and generates names. An update writes the plan to
 * the state and does not read the real object.
 */
export function bridged(operations: Operations): Resource {
  const { fields } = operations;
  const autonamed = Object.keys(fields).filter((name) => fields[name]?.autoname);

  function marked(state: Properties): Properties {
    const names = (operations.secretOutputs ?? []).filter((name) => state[name] !== undefined);
    return { ...state, ...Object.fromEntries(names.map((name) => [name, secret(state[name]!)])) };
  }

  async function stateOf(context: Context, id: string, inputs: Properties): Promise<Properties> {
    const read = await operations.read(context, id, inputs);
    if (!read) throw new Error(`${context.name}: not found right after its creation (${id})`);
    const names = (operations.keptAsPlanned ?? []).filter((name) => inputs[name] !== undefined);
    const planned = Object.fromEntries(names.map((name) => [name, inputs[name]!]));
    return { ...withoutMarks(inputs), ...read, ...planned };
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
      for (const name of operations.readOnce ?? []) {
        if (state[name] === undefined) changes[name] = { kind: "update", replace: false };
      }
      // The old and the new resource cannot both have a name that the program has set.
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
        return { id: "", state: { ...unknown, ...withoutMarks(inputs), id: UNKNOWN } };
      }
      try {
        const id = await operations.create(context, inputs);
        return { id, state: marked({ ...(await stateOf(context, id, inputs)), id }) };
      } catch (error) {
        if (!(error instanceof PartialFailure)) throw error;
        // The plan only: the official plugin records no more of a partly created resource.
        const state = { ...withoutMarks(inputs), id: error.id };
        throw new PartialFailure(error.message, error.id, state);
      }
    },

    async update(context, id, state, news, preview) {
      if (!preview) await operations.update?.(context, id, state, news);
      const planned: Properties = { ...state, ...withoutMarks(news), id };
      for (const [name, field] of Object.entries(fields)) {
        if (news[name] === undefined && !field.computed) delete planned[name];
      }
      return marked(planned);
    },

    async read(context, id, state, inputs) {
      const found = await operations.read(context, id, state);
      if (!found) return null;
      return { id, state: marked({ ...state, ...found, id }), inputs };
    },

    async delete(context, id, state) {
      await operations.delete(context, id, state);
    },
  };
}
