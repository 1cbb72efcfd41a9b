import { refused } from "../../error.ts";
import { shortenPath } from "../files/find-files.ts";
import type { HistoryRow } from "../history/history.ts";
import type { Runnable } from "../history/inspect-part.ts";
import type { BackfillProgress } from "./backfill.ts";
import type { Direction, Progress } from "./intent.ts";

type Mode = Runnable["mode"];

const REMEDIES: Partial<Record<Mode, string>> = {
  backfill: 'restore its line "-- migrate:backfill ..."',
  "no-transaction": 'begin it with the line "-- migrate:no-transaction"',
};

/** A file that ran in part continues in its own mode. In another mode it would run again from its start. */
export function assertSameMode(
  row: HistoryRow | undefined,
  { part, mode, direction }: Pick<Runnable, "part" | "mode"> & { direction: Direction },
): void {
  if (row?.state !== "applying") return;
  const progress = row.progress as Progress | BackfillProgress | null;
  const path = shortenPath(part.path);
  if (progress && progress.direction !== direction) {
    throw refused(
      `"${row.version}" is only partly ${progress.direction === "up" ? "applied" : "undone"}; finish it with "pgstead migrate ${progress.direction}" first`,
    );
  }
  const started: Mode = progress && "rows" in progress ? "backfill" : "no-transaction";
  if (mode === started) return;
  throw refused(
    `${path} ran in part as a ${started} file, and now it is not one; ${REMEDIES[started]}, then run the command again`,
  );
}
