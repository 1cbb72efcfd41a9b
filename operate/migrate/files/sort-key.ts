import { readFlywayName } from "./dialects/flyway.ts";

/** Keys are compared part by part, so the order is total: no three files compare in a circle. */
export interface SortKey {
  /** Files of one block are ordered by number, and the block among the others by this text. */
  block: string;
  numbers: bigint[];
  text: string;
}

/**
 * `hasNumbers`: the folder has files such as `9_a.up.sql`. The tools with this layout do not pad their
 * numbers, so 9 comes before 10. Then every leading number in the folder is read as a number.
 */
export function buildSortKey(text: string, hasNumbers: boolean): SortKey {
  const flyway = readFlywayName(text);
  if (flyway?.kind === "V") return { block: "V", numbers: flyway.numbers, text };
  const [number] = (hasNumbers && /^\d+/.exec(text)) || [];
  if (number) return { block: "0", numbers: [BigInt(number)], text };
  return { block: text, numbers: [], text };
}

export const compareSortKeys = (a: SortKey, b: SortKey): number =>
  compareTexts(a.block, b.block) ||
  compareNumbers(a.numbers, b.numbers) ||
  compareTexts(a.text, b.text);

export function compareNumbers(a: bigint[], b: bigint[]): number {
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const [first, second] = [a[i] ?? -1n, b[i] ?? -1n];
    if (first !== second) return first < second ? -1 : 1;
  }
  return 0;
}

/** Compares by code unit, not by locale, so that the order is the same on every machine. */
const compareTexts = (a: string, b: string) => (a === b ? 0 : a < b ? -1 : 1);
