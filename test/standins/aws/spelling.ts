import { isObject, type Value } from "../base/properties.ts";

// Names for which a capital first letter is not the only difference.
const EXCEPTIONS: Record<string, string> = {
  id: "ID",
  kmsMasterKeyId: "KMSMasterKeyID",
  sseAlgorithm: "SSEAlgorithm",
};
const BACK = Object.fromEntries(Object.entries(EXCEPTIONS).map(([ours, theirs]) => [theirs, ours]));

function renamed(value: unknown, rename: (key: string) => string): unknown {
  if (Array.isArray(value)) return value.map((each) => renamed(each, rename));
  if (!isObject(value)) return value;
  const entries = Object.entries(value).filter(([key]) => key !== "__defaults");
  return Object.fromEntries(entries.map(([key, each]) => [rename(key), renamed(each, rename)]));
}

/** Renames Pulumi's properties to the API's spelling, nested ones too. */
export function toApi(value: Value | undefined): unknown {
  return renamed(value, (key) => EXCEPTIONS[key] ?? `${key[0]!.toUpperCase()}${key.slice(1)}`);
}

export function fromApi(value: unknown): Value {
  return renamed(
    value ?? null,
    (key) => BACK[key] ?? `${key[0]!.toLowerCase()}${key.slice(1)}`,
  ) as Value;
}
