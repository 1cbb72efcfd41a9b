import type * as z from "zod";
import { nearest } from "./nearest.ts";
import { PREFIX } from "./prefix.ts";
import { StackConfig } from "./stack-config.ts";

export type Issue = z.core.$ZodIssue;

/** Where the mistakes are shown; the values of secret keys are left out. */
export interface Given {
  values: Record<string, unknown>;
  isSecret: (key: string) => boolean;
}

/** One message for the whole configuration of a stack. */
export function describeMistakes(stack: string, mistakes: string[]): string {
  const count = mistakes.length === 1 ? "a mistake" : `${mistakes.length} mistakes`;
  const lines = mistakes.map((line) => `  ${line}`);
  return `the configuration of stack "${stack}" has ${count}:\n${lines.join("\n")}`;
}

/** Of the shapes that a value may have, the one with the fewest mistakes is probably meant. */
export function flattenUnion(issue: Issue): Issue[] {
  if (issue.code !== "invalid_union") return [issue];
  const [shape] = [...issue.errors].sort((a, b) => a.length - b.length);
  const isPlainValue = ({ path }: Issue) => path.length === 0 && issue.path.length > 2;
  if (!shape || shape.some(isPlainValue)) return [issue];
  return shape.map((inner) => ({ ...inner, path: [...issue.path, ...inner.path] }) as Issue);
}

/** A line for each mistake: the key, what was found, what is allowed. */
export function describeIssue(issue: Issue, { values, isSecret }: Given): string[] {
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map(
      (key) => `${keyOf([...issue.path, key])}: unknown key${suggest(issue.path, key)}`,
    );
  }
  const found = valueAt(values, issue.path);
  const isHidden = isSecret(`${PREFIX}${String(issue.path[0])}`);
  const shown = found === undefined ? "nothing" : isHidden ? "a secret" : JSON.stringify(found);
  return [`${keyOf(issue.path)}: got ${shown}, allowed: ${describeAllowed(issue)}`];
}

export const valueAt = (values: unknown, path: PropertyKey[]): unknown =>
  path.reduce<unknown>((value, part) => (value as never)?.[part], values);

/** The object or array inside `.default()`, `.prefault()` and `.optional()`. */
export function unwrap(node: unknown): unknown {
  let inner = node as { def?: { innerType?: unknown } } | undefined;
  while (inner?.def?.innerType) inner = inner.def.innerType as typeof inner;
  return inner;
}

const shapeOf = (node: unknown) =>
  (unwrap(node) as { shape?: Record<PropertyKey, unknown> } | undefined)?.shape;

const keyOf = (path: PropertyKey[]) => PREFIX + path.map(String).join(".");

function suggest(path: PropertyKey[], key: string): string {
  const close = nearest(key, knownKeys(path));
  return close ? `; did you mean "${keyOf([...path, close])}"?` : "";
}

function knownKeys(path: PropertyKey[]): string[] {
  let node: unknown = StackConfig;
  for (const part of path) node = shapeOf(node)?.[part];
  return Object.keys(shapeOf(node) ?? {});
}

function describeAllowed(issue: Issue): string {
  switch (issue.code) {
    case "invalid_value":
      return issue.values.map((value) => JSON.stringify(value)).join(", ");
    case "too_small":
      return `${issue.minimum} or more`;
    case "too_big":
      return `${issue.maximum} or less`;
    case "invalid_union":
      return "a text, a number, or true and false";
    case "invalid_type":
      return issue.expected === "int" ? "a whole number" : `a value of type ${issue.expected}`;
    default:
      return issue.message;
  }
}
