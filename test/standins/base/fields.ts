import { isObject, list, type Properties, stable, UNKNOWN, type Value } from "./properties.ts";

/** One property of a resource, in the words that decide what a change of it does. */
export interface Field {
  /** Order of a set does not matter; `block` is one nested object. @default "scalar" */
  kind?: "scalar" | "list" | "set" | "map" | "block";
  /** What a block, or each item of a list or set, holds. */
  item?: Fields;
  /** A change replaces the resource. */
  replace?: boolean;
  /** Filled in by the real thing when left out: leaving it out again is then no change. */
  computed?: boolean;
  default?: Value;
  /** Named after the resource when left out. */
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

/** Nested defaults filled in and zero values dropped: the form in which both sides are compared. */
function canonical(field: Field, value: Value | undefined): Value {
  if (value === UNKNOWN) return UNKNOWN;
  if (value === undefined || value === null || value === "" || value === false || value === 0) {
    return null;
  }
  if (field.kind === "list" || field.kind === "set") {
    const items = list(value).map((each) => canonicalItem(field, each));
    if (field.kind === "set") items.sort((a, b) => (stable(a) < stable(b) ? -1 : 1));
    return items.length > 0 ? items : null;
  }
  if (field.kind === "block") return canonicalItem(field, value);
  if (field.kind === "map") return isObject(value) && Object.keys(value).length > 0 ? value : null;
  return typeof value === "object" ? value : String(value);
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

function collect(into: Changes, path: string, field: Field, a: Value, b: Value, replace: boolean) {
  if (stable(a) === stable(b) && b !== UNKNOWN) return;
  if (field.kind === "block" && isObject(a) && isObject(b)) {
    for (const [name, nested] of Object.entries(field.item ?? {})) {
      const inner = replace || (nested.replace ?? false);
      collect(into, `${path}.${name}`, nested, a[name] ?? null, b[name] ?? null, inner);
    }
    return;
  }
  if (field.kind === "map" && isObject(a) && isObject(b)) {
    for (const name of new Set([...Object.keys(a), ...Object.keys(b)])) {
      collect(into, `${path}["${name}"]`, {}, a[name] ?? null, b[name] ?? null, replace);
    }
    return;
  }
  if ((field.kind === "list" || field.kind === "set") && Array.isArray(a) && Array.isArray(b)) {
    collectItems(into, path, field, a, b, replace);
    return;
  }
  into[path] = { kind: a === null ? "add" : b === null ? "delete" : "update", replace };
}

/** A set's members have no place of their own: what is on both sides is left out first. */
function collectItems(
  into: Changes,
  path: string,
  field: Field,
  a: Value[],
  b: Value[],
  replace: boolean,
) {
  const gone = field.kind === "set" ? a.filter((x) => !b.some((y) => stable(x) === stable(y))) : a;
  const come = field.kind === "set" ? b.filter((x) => !a.some((y) => stable(x) === stable(y))) : b;
  const item: Field = { kind: field.item ? "block" : "scalar", item: field.item };
  for (let i = 0; i < Math.max(gone.length, come.length); i++) {
    collect(into, `${path}[${i}]`, item, gone[i] ?? null, come[i] ?? null, replace);
  }
}

/** Adds the defaults to a program's inputs and lists them under __defaults, as bridged providers do. */
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

export function missingFields(fields: Fields, inputs: Properties): string[] {
  return Object.keys(fields).filter((name) => fields[name]?.required && inputs[name] === undefined);
}
