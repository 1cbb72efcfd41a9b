/** The values of properties after `plain` has removed the marks of the wire format; unknowns are UNKNOWN. */
export type Value = null | boolean | number | string | Value[] | { [key: string]: Value };
export type Properties = Record<string, Value>;

// Constants of the Pulumi engine's wire format.
export const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";
const SIGNATURE = "4dabf18193072939515e22adb298388d";
const SECRET = "1b47061264138c4ac30d75fd1eb44270";
const OUTPUT_VALUE = "d0e6a833031e9bbcd3f4e8bde6ca49a4";
const ASSET = "c44067f5952c0a294b673a41bacd8c17";

export function isObject(value: unknown): value is Properties {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function secret(value: Value): Value {
  return { [SIGNATURE]: SECRET, value };
}

export function fileAsset(path: string): Value {
  return { [SIGNATURE]: ASSET, path };
}

/** Removes nulls and the marks of the wire format. */
export function plain(value: Value | undefined): Value {
  if (Array.isArray(value)) return value.map(plain);
  if (!isObject(value)) return value ?? null;
  if (value[SIGNATURE] === SECRET) return plain(value.value);
  if (value[SIGNATURE] === OUTPUT_VALUE) return "value" in value ? plain(value.value) : UNKNOWN;
  const entries = Object.entries(value).filter(([, each]) => each !== null);
  return Object.fromEntries(entries.map(([key, each]) => [key, plain(each)]));
}

export function some(value: Value | undefined, test: (each: Value) => boolean): boolean {
  if (value === undefined) return false;
  if (test(value)) return true;
  if (Array.isArray(value)) return value.some((each) => some(each, test));
  return isObject(value) && Object.values(value).some((each) => some(each, test));
}

export function hasUnknown(value: Value | undefined): boolean {
  return some(value, (each) => each === UNKNOWN);
}

/** Returns equal text for equal values, in any order of keys. */
export function stable(value: Value | undefined): string {
  return JSON.stringify(value, (_key, each) =>
    isObject(each)
      ? Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1)))
      : each,
  );
}

export function text(value: Value | undefined): string {
  return value === undefined || value === null ? "" : String(value);
}

export function list(value: Value | undefined): Value[] {
  return Array.isArray(value) ? value : [];
}

export function objects(value: Value | undefined): Properties[] {
  return list(value).filter(isObject);
}

/** Generates a name like Pulumi: the logical name and seven random hex digits. */
export function randomName(name: string, digits = 7): string {
  const random = [...crypto.getRandomValues(new Uint8Array(digits))];
  return `${name}-${random.map((each) => (each % 16).toString(16)).join("")}`;
}
