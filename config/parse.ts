import { describeIssue, flattenUnion, type Issue, valueAt } from "./mistakes.ts";
import { describeKeysWithoutEffect } from "./no-effect.ts";
import { PREFIX } from "./prefix.ts";
import { StackConfig, schema } from "./stack-config.ts";

type Parsed = { values: StackConfig; mistakes: [] } | { values?: undefined; mistakes: string[] };

/** The configuration as Pulumi hands it to the program, key by key as text; or every mistake in it. */
export function parseConfig(
  raw: Record<string, string>,
  isSecret: (key: string) => boolean = () => false,
): Parsed {
  const { values, mistakes: unreadable } = readTexts(raw, isSecret);
  const mistakes = [...unreadable, ...describeKeysWithoutEffect(values)];
  const parsed = StackConfig.safeParse(values);
  if (parsed.success && mistakes.length === 0) return { values: parsed.data, mistakes: [] };
  const issues = parsed.error?.issues.flatMap(flattenUnion) ?? [];
  const described = issues.flatMap((issue) => describeIssue(issue, { values, isSecret }));
  return { mistakes: [...mistakes, ...described] };
}

/**
 * Every mistake in the object `config` of a stack's file. An encrypted value cannot be read without
 * Pulumi, so nothing is said about it.
 */
export function findMistakes(config: Record<string, unknown> = {}): string[] {
  const isSecret = () => false;
  const readable = Object.entries(config).filter(([, value]) => !isEncrypted(value));
  const texts = readable.map(([key, value]) => [
    key,
    typeof value === "object" ? JSON.stringify(value) : String(value),
  ]);
  const { values, mistakes } = readTexts(Object.fromEntries(texts), isSecret);
  const issues = StackConfig.safeParse(values).error?.issues.flatMap(flattenUnion) ?? [];
  const described = issues
    .filter((issue) => !isAboutEncrypted(values, issue))
    .flatMap((issue) => describeIssue(issue, { values, isSecret }));
  // A section that is encrypted as one may have the key that another one needs.
  const isReadable = readable.length === Object.keys(config).length;
  const unused = isReadable ? describeKeysWithoutEffect(values) : [];
  return [...mistakes, ...unused, ...described];
}

/** Our keys without their prefix; sections as objects. A section that is no JSON is left out. */
function readTexts(raw: Record<string, string>, isSecret: (key: string) => boolean) {
  const mistakes: string[] = [];
  const values: Record<string, unknown> = {};
  for (const [key, text] of Object.entries(raw)) {
    if (!key.startsWith(PREFIX)) continue;
    const name = key.slice(PREFIX.length);
    try {
      values[name] = name in schema.sections ? JSON.parse(text) : text;
    } catch {
      mistakes.push(`${key}: is a section, got ${isSecret(key) ? "a secret text" : `"${text}"`}`);
    }
  }
  return { values, mistakes };
}

/** The issue is about an encrypted value, an object with one inside, or a key inside one. */
function isAboutEncrypted(values: unknown, issue: Issue): boolean {
  const keys = issue.code === "unrecognized_keys" ? issue.keys : [];
  const places = keys.length > 0 ? keys.map((key) => [...issue.path, key]) : [issue.path];
  return places.every((path) => {
    const isInside = path.some((_, index) => isEncrypted(valueAt(values, path.slice(0, index))));
    return isInside || holdsEncrypted(valueAt(values, path));
  });
}

/** As Pulumi writes it into the file: `secure: v1:...`. */
const isEncrypted = (value: unknown) => isObject(value) && typeof value.secure === "string";

const holdsEncrypted = (value: unknown): boolean =>
  isEncrypted(value) || (isObject(value) && Object.values(value).some(holdsEncrypted));

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null;
