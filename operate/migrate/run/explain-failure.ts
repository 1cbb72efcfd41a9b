import type { DatabaseError } from "pg";
import { isConnectionLost } from "../../connect/sqlstate.ts";
import type { ExpectedError } from "../../error.ts";
import { describeStop, stopSignal } from "../../stop.ts";
import { shortenPath } from "../files/find-files.ts";
import type { HistoryRow } from "../history/history.ts";
import { readAftermath } from "../session/after-loss.ts";
import type { Runner } from "../session/runner.ts";
import { explainSqlError, type SentSql } from "../sql/sql-error.ts";

/** What a failed piece of SQL leaves in the database. */
export interface Consequence {
  version: string;
  /** After an error that the server answered. */
  known: string;
  /** After a lost connection, by the row that the history has then. */
  byHistory: (row: HistoryRow | undefined) => string;
}

/** The error for SQL that failed, with what the server kept of it. */
export async function explainFailure(
  runner: Runner,
  error: DatabaseError,
  sent: SentSql,
  { version, known, byHistory }: Consequence,
): Promise<ExpectedError> {
  let consequence = known;
  if (isConnectionLost(error)) {
    const aftermath = await readAftermath(runner, version);
    consequence = aftermath
      ? byHistory(aftermath.row)
      : `the connection was lost, and pgstead could not read the history since; "pgstead migrate list" shows what was kept of ${version}`;
  }
  if (stopSignal.aborted) {
    return describeStop(`${shortenPath(sent.part.path)} was cancelled: ${consequence}`, error);
  }
  return explainSqlError(error, sent, consequence);
}

export const ROLLED_BACK = "the file was rolled back completely";

/** For a file that runs in one transaction. */
export const buildConsequence = (
  { version, raw }: { version: string; raw: string },
  direction: "up" | "down",
): Consequence => ({
  version,
  known: ROLLED_BACK,
  byHistory: (row) => {
    if (direction === "down") {
      return row?.state === "undone"
        ? `the server had committed it: ${version} is undone`
        : ROLLED_BACK;
    }
    return row?.state === "applied" && row.checksumRaw === raw
      ? `the server had committed it: ${version} is applied`
      : ROLLED_BACK;
  },
});
