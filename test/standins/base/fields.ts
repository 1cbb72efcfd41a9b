import { isObject, list, type Properties, stable, UNKNOWN, type Value } from "./properties.ts";

/** One property of a resource: it decides what a change of the property does. */
export interface Field {
  /**
   * The order of a `set` does not matter. A `block` is one nested object. A `tree` is nested to any depth,
   * and the comparison ignores zero values. `json` is text that is compared by its content.
   * @default "scalar"
   */
  kind?: "scalar" | "list" | "set" | "map" | "block" | "tree" | "json";
  /** The properties of a block, or of each item of a list or set. */
  item?: Fields;
  /** A change replaces the resource. */
  replace?: boolean;
  /** The real object sets a missing value. So it is not a change when the program has no value. */
  computed?: boolean;
  default?: Value;
  /** A missing value is generated from the resource's name. */
  autoname?: boolean;
  required?: boolean;
}

export type Fields = Record<string, Field>;
export type ChangeKind = "add" | "update" | "delete";
export interface Change {
  kind: ChangeKind;
  replace: boolean;
}
export type Changes = Record<string, Change>;

/** Sets nested defaults and drops zero values. Both sides are compared in this form. */
function canonical(field: Field, value: Value | undefined): Value {
  if (value === UNKNOWN) return UNKNOWN;
  if (value === undefined || value === null || value === "" || value === false || value === 0) {
    return null;
  }
  if (field.kind === "list" || field.kind === "set") {
    const items = list(value).map((each) => canonicalItem(field, each));
    return items.length > 0 ? items : null;
  }
  if (field.kind === "tree") return pruned(value);
  if (field.kind === "json")
    return typeof value === "string" ? pruned(JSON.parse(value)) : pruned(value);
  if (field.kind === "block") return canonicalItem(field, value);
  if (field.kind === "map") return isObject(value) && Object.keys(value).length > 0 ? value : null;
  return typeof value === "object" ? value : String(value);
}

function pruned(value: Value): Value {
  if (Array.isArray(value)) return value.length > 0 ? value.map(pruned) : null;
  if (!isObject(value)) return value === "" || value === false || value === 0 ? null : value;
  const entries = Object.entries(value)
    .filter(([name]) => name !== "__defaults")
    .map(([name, each]) => [name, pruned(each)] as const)
    .filter(([, each]) => each !== null);
  return entries.length > 0 ? Object.fromEntries(entries) : null;
}

function canonicalItem(field: Field, value: Value): Value {
  if (!field.item || !isObject(value)) return typeof value === "number" ? String(value) : value;
  const result: Properties = {};
  for (const [name, nested] of Object.entries(field.item)) {
    const each = canonical(nested, value[name] ?? nested.default);
    if (each !== null) result[name] = each;
  }
  return Object.keys(result).length > 0 ? result : null;
}

export function diffFields(fields: Fields, olds: Properties, news: Properties): Changes {
  const changes: Changes = {};
  for (const [name, field] of Object.entries(fields)) {
    if (news[name] === undefined && field.computed) continue;
    const before = canonical(field, olds[name]);
    const after = canonical(field, news[name] ?? field.default);
    collect(changes, name, field, before, after, field.replace ?? false);
  }
  return changes;
}

function join(path: string, key: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(key) ? `${path}.${key}` : `${path}["${key}"]`;
}

function isEqual(field: Field, a: Value, b: Value): boolean {
  if (field.kind !== "set" || !Array.isArray(a) || !Array.isArray(b))
    return stable(a) === stable(b);
  return stable(a.map(stable).sort()) === stable(b.map(stable).sort());
}

function collect(into: Changes, path: string, field: Field, a: Value, b: Value, replace: boolean) {
  if (isEqual(field, a, b) && b !== UNKNOWN) return;
  if (field.kind === "block" && isObject(a) && isObject(b)) {
    for (const [name, nested] of Object.entries(field.item ?? {})) {
      const inner = replace || (nested.replace ?? false);
      collect(into, `${path}.${name}`, nested, a[name] ?? null, b[name] ?? null, inner);
    }
    return;
  }
  if (field.kind === "map" && isObject(a) && isObject(b)) {
    for (const name of new Set([...Object.keys(a), ...Object.keys(b)])) {
      collect(into, join(path, name), {}, a[name] ?? null, b[name] ?? null, replace);
    }
    return;
  }
  if ((field.kind === "list" || field.kind === "set") && Array.isArray(a) && Array.isArray(b)) {
    collectItems(into, path, field, a, b, replace);
    return;
  }
  into[path] = { kind: a === null ? "add" : b === null ? "delete" : "update", replace };
}

/** Items of a set are identified by value: an item on both sides is unchanged, at any position. */
function collectItems(
  into: Changes,
  path: string,
  field: Field,
  a: Value[],
  b: Value[],
  replace: boolean,
) {
  const item: Field = { kind: field.item ? "block" : "scalar", item: field.item };
  const isIn = (each: Value, side: Value[]) => side.some((other) => stable(other) === stable(each));
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const gone =
      field.kind === "set" && a[i] !== undefined && isIn(a[i]!, b) ? null : (a[i] ?? null);
    const come =
      field.kind === "set" && b[i] !== undefined && isIn(b[i]!, a) ? null : (b[i] ?? null);
    collect(into, `${path}[${i}]`, item, gone, come, replace);
  }
}

/** Adds the defaults to a program's inputs and lists them in __defaults, like bridged providers. */
export function withDefaults(fields: Fields, inputs: Properties): Properties {
  const result = { ...inputs };
  const defaults: string[] = [];
  for (const [name, field] of Object.entries(fields)) {
    const value = result[name];
    if (value === undefined && field.default !== undefined) {
      result[name] = field.default;
      defaults.push(name);
    } else if (field.item && value !== undefined) {
      result[name] = nestedDefaults(field.item, value);
    }
  }
  result.__defaults = defaults.sort();
  return result;
}

function nestedDefaults(item: Fields, value: Value): Value {
  if (Array.isArray(value)) return value.map((each) => nestedDefaults(item, each));
  return isObject(value) ? withDefaults(item, value) : value;
}

/** Removes the list of defaults, which inputs have and outputs must not have. */
export function withoutMarks(bag: Properties): Properties {
  const strip = (value: Value): Value => {
    if (Array.isArray(value)) return value.map(strip);
    return isObject(value) ? withoutMarks(value) : value;
  };
  const entries = Object.entries(bag).filter(([name]) => name !== "__defaults");
  return Object.fromEntries(entries.map(([name, value]) => [name, strip(value)]));
}

export function missingFields(fields: Fields, inputs: Properties): string[] {
  return Object.keys(fields).filter((name) => fields[name]?.required && inputs[name] === undefined);
}
