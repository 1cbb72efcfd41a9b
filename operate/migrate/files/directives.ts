import { mistake } from "../../error.ts";

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

const DIRECTIVE = /^--[ \t]*migrate:([a-z-]+):?[ \t]*(.*)$/;
const DURATION = /^\d+(ms|s|min|h)?$/;

/** Directives count only before the first statement, where a reader sees them first. */
export function readDirectives(path: string, sql: string, firstLine: number): Directives {
  const found: Directives = {};
  let line = firstLine - 1;
  for (const text of sql.split("\n", 200)) {
    line++;
    const trimmed = text.trim();
    if (trimmed !== "" && !trimmed.startsWith("--")) break;
    const directive = DIRECTIVE.exec(trimmed);
    if (directive) {
      const [, name = "", rest = ""] = directive;
      Object.assign(found, readDirective(name, rest.trim(), `${path}:${line}`));
    }
  }
  return found;
}

function readDirective(name: string, rest: string, where: string): Directives {
  switch (name) {
    case "up":
    case "down":
      // dbmate's syntax.
      return /\btransaction:false\b/.test(rest) ? { noTransaction: true } : {};
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
      throw mistake(
        `${where}: "migrate:${name}" is not a directive; use up, down, no-transaction, timeout, irreversible or backfill`,
      );
  }
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
