import type * as z from "zod";
import { describeIssue, flattenUnion, type Issue, PREFIX, shapeOf, valueAt } from "./mistakes.ts";
import { StackConfig, schema } from "./stack-config.ts";

type Parsed = { values: StackConfig; mistakes: [] } | { values?: undefined; mistakes: string[] };

/** The configuration as Pulumi hands it to the program, key by key as text; or every mistake in it. */
export function parseConfig(
  raw: Record<string, string>,
  isSecret: (key: string) => boolean = () => false,
): Parsed {
  const { values, mistakes } = readTexts(raw, isSecret);
  const parsed = StackConfig.safeParse(values);
  if (parsed.success && mistakes.length === 0) return { values: parsed.data, mistakes: [] };
  const issues = parsed.error?.issues.flatMap(flattenUnion) ?? [];
  const described = issues.flatMap((issue) => describeIssue(issue, { values, isSecret }));
  return { mistakes: [...mistakes, ...described] };
}

/**
 * The object `config` of a stack's file, for verbs that work without Pulumi. A key with a mistake has its
 * default in `values`, so that a verb can still help. An encrypted value cannot be read here; it counts
 * as left out, and not as a mistake.
 */
export function parseStackFile(config: Record<string, unknown> = {}): {
  values: StackConfig;
  mistakes: string[];
} {
  const texts = Object.entries(config).map(([key, value]) => [
    key,
    typeof value === "object" ? JSON.stringify(value) : String(value),
  ]);
  const { values, mistakes } = readTexts(Object.fromEntries(texts), () => false);
  const issues = StackConfig.safeParse(values).error?.issues.flatMap(flattenUnion) ?? [];
  const described = issues
    .filter((issue) => !isAboutEncrypted(values, issue))
    .flatMap((issue) => describeIssue(issue, { values, isSecret: () => false }));
  return {
    values: readTolerantly(StackConfig, values, 2) as StackConfig,
    mistakes: [...mistakes, ...described],
  };
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

/** The value; where it has mistakes, what its keys give one by one, and at last the default. */
function readTolerantly(node: z.ZodType, value: unknown, depth: number): unknown {
  const parsed = node.safeParse(value);
  if (parsed.success) return parsed.data;
  const shape = shapeOf(node);
  if (!shape || !isObject(value) || depth === 0) return node.safeParse(undefined).data;
  const entries = Object.entries(shape);
  return Object.fromEntries(
    entries.map(([key, child]) => [key, readTolerantly(child, value[key], depth - 1)]),
  );
}

/** Such a value, one that holds it, or a key inside it. */
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
