import { mistake } from "../../../error.ts";
import { assertNoPlaceholder } from "./flyway.ts";
import { goose } from "./goose.ts";
import { nodePgMigrate } from "./node-pg-migrate.ts";
import { pgstead } from "./pgstead.ts";
import type { Dialect, Sections } from "./section.ts";
import { sqlMigrate } from "./sql-migrate.ts";
import { assertSupported } from "./unsupported.ts";

const DIALECTS: Dialect[] = [pgstead, goose, sqlMigrate, nodePgMigrate];

/** Splits a file as the tool does that it is written for. */
export function splitSections(path: string, text: string): Sections {
  assertSupported(path, text);
  assertNoPlaceholder(path, text);
  const used = DIALECTS.filter((dialect) => dialect.isUsedIn(text));
  const [dialect = pgstead] = used;
  if (used.length < 2) return dialect.split(path, text);
  const tools = used.map(({ tool }) => tool).join(" and of ");
  throw mistake(`${path} has the parts of ${tools}; keep the lines of one of them`);
}

/** For a text that must not have parts: a down file, or a piece of a large file. */
export function assertOnePart(path: string, text: string): void {
  assertSupported(path, text);
  const other = DIALECTS.find((dialect) => dialect !== pgstead && dialect.isUsedIn(text));
  if (!other) return;
  throw mistake(
    `${path} has lines of ${other.tool}, which are not read here; remove them, and use "-- migrate:" directives`,
  );
}
