import { type ExpectedError, refused } from "../../error.ts";
import { shortenPath } from "../files/find-files.ts";
import type { ComparedFile, Comparison } from "../history/compare-files.ts";

/** Everything that forbids going on, told at once. Nothing was changed. */
export function assertFilesMatchHistory({ files, missing }: Comparison): void {
  const lines = [...files.filter(({ state }) => state === "edited").map(describeEdited)];
  for (const { row, renamedTo } of missing.filter(({ ahead }) => !ahead)) {
    lines.push(
      renamedTo
        ? `"${row.version}" was applied and is now called ${renamedTo}; give it its name back`
        : `"${row.version}" was applied on ${row.startedAt} and has no file any more; bring the file back, or forget it with "pgstead migrate stamp ${row.version} --forget"`,
    );
  }
  const ahead = missing.filter((one) => one.ahead).map(({ row }) => row.version);
  if (ahead.length > 0) {
    lines.push(
      `the database is ahead of these files: it has ${ahead.join(", ")}; update this checkout, or undo them from the one that has them`,
    );
  }
  if (lines.length > 0) throw refused(lines.join("\n"));
}

function describeEdited({ file, row }: ComparedFile): string {
  return `${shortenPath(file.path)} was edited after it was applied on ${row?.startedAt}
  applied: ${row?.checksumRaw}
  now:     ${file.raw}
  bring it back and write the change as a new file, or accept it as it is with "pgstead migrate stamp ${file.version} --only"`;
}

export function outOfOrder(late: ComparedFile[]): ExpectedError {
  const names = late.map(({ file }) => shortenPath(file.path)).join(", ");
  return refused(
    `${names} would run after later files have been applied; rename to run last, or choose --out-of-order apply (or skip)`,
  );
}
