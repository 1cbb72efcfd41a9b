import { mistake } from "../../../error.ts";
import { findFirstStatement } from "../../../statement-scanner.ts";
import type { Dialect } from "./section.ts";

const UP = /^[ \t]*--[ \t-]*up[ \t]+migration[ \t]*\r?$/gim;
const DOWN = /^[ \t]*--[ \t-]*down[ \t]+migration[ \t]*\r?$/gim;

/** `-- Up Migration` and `-- Down Migration`. */
export const nodePgMigrate: Dialect = {
  tool: "node-pg-migrate",
  isUsedIn: (text) => text.search(DOWN) >= 0,
  split(path, text) {
    const [ups, downs] = [UP, DOWN].map((pattern) => [...text.matchAll(pattern)]);
    const [up, down] = [ups?.[0]?.index, downs?.[0]?.index ?? text.length];
    const isOnce = ups?.length === 1 && downs?.length === 1;
    if (up === undefined || !isOnce || up > down || findFirstStatement(text.slice(0, up)) < up) {
      throw mistake(
        `${path}: "-- Up Migration" and "-- Down Migration" must occur once, in this order, and no statement before them`,
      );
    }
    return { up: { start: 0, end: down }, down: { start: down, end: text.length } };
  },
};
