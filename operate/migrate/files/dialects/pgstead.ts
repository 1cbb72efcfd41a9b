import { findDirectives, isDownMarker } from "../directives.ts";
import type { Dialect } from "./section.ts";

/** `-- migrate:up` and `-- migrate:down`, which dbmate has too. Without them, the file is the up part. */
export const pgstead: Dialect = {
  tool: "pgstead or dbmate",
  isUsedIn: (text) => findDirectives(text).some(isDownMarker),
  split(_path, text) {
    const down = findDirectives(text).find(isDownMarker)?.index;
    if (down === undefined) return { up: { start: 0, end: text.length } };
    return { up: { start: 0, end: down }, down: { start: down, end: text.length } };
  },
};
