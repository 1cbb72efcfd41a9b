import { refused } from "../../error.ts";
import { shortenPath } from "../files/find-files.ts";
import type { ComparedFile, Comparison } from "../history/compare-files.ts";

/** Refuses if applied files are edited, renamed, missing, or unknown here. Reports all of them at once. */
export function assertFilesMatchHistory({ files, missing }: Comparison): void {
  const lines = [...files.filter(({ state }) => state === "edited").map(describeEdited)];
  for (const { row, renamedTo } of missing.filter(({ ahead }) => !ahead)) {
    lines.push(
      renamedTo
        ? `"${row.version}" was applied and its file is now called ${renamedTo}; give the file its old name`
        : `"${row.version}" was applied on ${row.startedAt} and its file is missing; restore the file, or remove the version from the history with "pgstead migrate stamp ${row.version} --forget"`,
    );
  }
  const ahead = missing.filter((one) => one.ahead).map(({ row }) => row.version);
  if (ahead.length > 0) {
    lines.push(
      `the database is ahead of these files: it has ${ahead.join(", ")}; update this checkout, or undo them from a checkout that has the files`,
    );
  }
  if (lines.length > 0) throw refused(lines.join("\n"));
}

function describeEdited({ file, row }: ComparedFile): string {
  return `${shortenPath(file.path)} was edited after it was applied on ${row?.startedAt}
  applied: ${row?.checksumRaw}
  now:     ${file.raw}
  restore its content and write the change as a new file, or accept the edited file with "pgstead migrate stamp ${file.version} --only"`;
}

export function assertNoLateFiles(late: ComparedFile[]): void {
  if (late.length === 0) return;
  const names = late.map(({ file }) => shortenPath(file.path)).join(", ");
  throw refused(
    `${names} would run after later files were applied; rename it so that it is last, or use --out-of-order apply or --out-of-order skip`,
  );
}
