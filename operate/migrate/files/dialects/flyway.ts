import { basename } from "node:path";
import { mistake } from "../../../error.ts";

const VERSION = /^([VU])(\d+(?:[._]\d+)*)(__)?/;

export interface FlywayName {
  kind: "V" | "U";
  /** `V1_2__x` and `V1.2__x` are version 1.2. */
  numbers: bigint[];
  /** It has the two underscores that Flyway itself asks for. */
  isExact: boolean;
}

/** The version in a name such as `V2__users.sql`, or `U2__users.sql`, which undoes it. */
export function readFlywayName(name: string): FlywayName | undefined {
  const [, kind, version = "", underscores] = VERSION.exec(name) ?? [];
  if (!kind) return undefined;
  const numbers = version.split(/[._]/).map(BigInt);
  // Flyway takes 1 and 1.0 as equal.
  while (numbers.length > 1 && numbers.at(-1) === 0n) numbers.pop();
  return { kind: kind as "V" | "U", numbers, isExact: underscores !== undefined };
}

/** Callbacks, and baselines that replace earlier files, have no meaning as migrations. */
export const isFlywaySpecial = (name: string) =>
  /^(?:before|after)[A-Z]\w*\.sql$/.test(name) || /^B\d+(?:[._]\d+)*__/.test(name);

/** Flyway replaces `${name}` before it runs a file; the server would take it as it is. */
export function assertNoPlaceholder(path: string, text: string): void {
  if (!readFlywayName(basename(path))) return;
  const found = /\$\{[A-Za-z][\w.:-]*\}/.exec(text);
  if (!found) return;
  const line = text.slice(0, found.index).split("\n").length;
  throw mistake(
    `${path}:${line}: "${found[0]}" is a placeholder of Flyway, which pgstead does not replace; write its value`,
  );
}
