import { mistake } from "../../error.ts";
import { findFirstStatement } from "../../statement-scanner.ts";
import { findMarks, type Mark } from "./marks.ts";

/** The directives in the first comments of a part: `-- migrate:NAME ...`. */
export interface Directives {
  noTransaction?: boolean;
  /** Postgres durations: `5s`, `10min`. */
  lockTimeout?: string;
  statementTimeout?: string;
  /** The reason why the file cannot be undone. */
  irreversible?: string;
  backfill?: Backfill;
}

export interface Backfill {
  table: string;
  key: string;
  batch: number;
  pauseMs: number;
}

interface PartText {
  path: string;
  sql: string;
  firstLine: number;
  isDown?: boolean;
}

/** Any case and any blanks, so that a misspelled directive is refused and not read as a comment. */
const PREFIX = "migrate[^\\S\\r\\n]*:";
const DIRECTIVE = /^--[ \t]*migrate:([a-z-]+)(?::[ \t]*|[ \t]+|$)(.*)$/;
const DURATION = /^\d+(ms|s|min|h)?$/;
const KNOWN = "up, down, no-transaction, timeout, irreversible or backfill";

export const findDirectives = (sql: string): Mark[] => findMarks(sql, PREFIX);

/** The line `-- migrate:down`, exactly. */
export const isDownMarker = ({ startsLine, text }: Mark) =>
  startsLine && DIRECTIVE.exec(text)?.[1] === "down";

/** Directives count only before the first statement, where a reader sees them first. */
export function readDirectives({ path, sql, firstLine, isDown = false }: PartText): Directives {
  const found: Directives = {};
  for (const mark of findDirectives(sql)) {
    const where = `${path}:${firstLine + mark.line - 1}`;
    const [, name = "", rest = ""] = DIRECTIVE.exec(mark.text) ?? [];
    if (!name) {
      throw mistake(
        `${where}: "${mark.text}" is not a directive; write it in lower case and without blanks around the colon, as in "-- migrate:down", or write the comment without "migrate:"`,
      );
    }
    const directive = readDirective(name, rest, where);
    assertPlace(mark, name, { sql, isDown }, where);
    Object.assign(found, directive);
  }
  return found;
}

/** A mark after the first statement, or inside a block comment, is in the wrong place. */
function assertPlace(
  { index, text }: Mark,
  name: string,
  { sql, isDown }: { sql: string; isDown: boolean },
  where: string,
): void {
  if (name === "down" && !isDown) {
    throw mistake(
      `${where}: "${text}" is not in its place; the down part begins with a line "-- migrate:down" that is not indented`,
    );
  }
  const isInHead = findFirstStatement(`${sql.slice(0, index)}x`) === index;
  if (isInHead && (name !== "up" || !isDown)) return;
  throw mistake(
    `${where}: "${text}" is not in its place; directives are comments before the first statement of their part, and "-- migrate:up" and "-- migrate:down" occur once`,
  );
}

function readDirective(name: string, rest: string, where: string): Directives {
  switch (name) {
    case "up":
    case "down":
      return readDbmateOptions(rest, where);
    case "no-transaction":
      return { noTransaction: true };
    case "irreversible":
      if (rest) return { irreversible: rest };
      throw mistake(
        `${where}: "migrate:irreversible" needs a reason, as in "-- migrate:irreversible: drops a column"`,
      );
    case "timeout":
      return readTimeout(parseSettings(rest, where, ["lock", "statement"]), where);
    case "backfill":
      return { backfill: readBackfill(parseSettings(rest, where, BACKFILL_KEYS), where) };
    case "todo":
      throw mistake(`${where}: write the SQL, then remove this line`);
    default:
      throw mistake(`${where}: "migrate:${name}" is not a directive; use ${KNOWN}`);
  }
}

function readDbmateOptions(rest: string, where: string): Directives {
  for (const option of rest.split(/\s+/)) {
    if (option === "transaction:false") return { noTransaction: true };
    if (/transaction/i.test(option) && option !== "transaction:true") {
      throw mistake(`${where}: "${option}" is not one of transaction:true transaction:false`);
    }
  }
  return {};
}

const BACKFILL_KEYS = ["table", "key", "batch", "pause"];

function parseSettings(rest: string, where: string, allowed: string[]): Map<string, string> {
  const settings = new Map<string, string>();
  for (const setting of rest.split(/\s+/).filter(Boolean)) {
    const [key = "", value = ""] = setting.split("=", 2);
    if (!allowed.includes(key) || value === "") {
      throw mistake(
        `${where}: "${setting}" is not one of ${allowed.map((k) => `${k}=...`).join(" ")}`,
      );
    }
    settings.set(key, value);
  }
  return settings;
}

function readTimeout(settings: Map<string, string>, where: string): Directives {
  for (const value of settings.values()) {
    if (!DURATION.test(value)) {
      throw mistake(`${where}: "${value}" is not a duration such as 500ms, 5s, 10min, 2h or 0`);
    }
  }
  const lockTimeout = settings.get("lock");
  const statementTimeout = settings.get("statement");
  return { ...(lockTimeout && { lockTimeout }), ...(statementTimeout && { statementTimeout }) };
}

function readBackfill(settings: Map<string, string>, where: string): Backfill {
  const table = settings.get("table");
  const key = settings.get("key");
  const batch = Number(settings.get("batch") ?? 1000);
  const pauseMs = Number((settings.get("pause") ?? "0").replace(/ms$/, ""));
  if (!table || !key) throw mistake(`${where}: a backfill needs table=NAME and key=COLUMN`);
  if (!Number.isInteger(batch) || batch < 1) {
    throw mistake(`${where}: "batch" must be a whole number of at least 1`);
  }
  if (!Number.isInteger(pauseMs) || pauseMs < 0) {
    throw mistake(`${where}: "pause" must be whole milliseconds, as in pause=50ms`);
  }
  return { table, key, batch, pauseMs };
}
