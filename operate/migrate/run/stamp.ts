import { mistake } from "../../error.ts";
import type { Settings } from "../../settings.ts";
import { findFiles } from "../files/find-files.ts";
import { readHistory } from "../history/history.ts";
import { buildForgetSql, buildRecordSql } from "../history/history-sql.ts";
import { buildSetRole, type RunOptions, withRunner } from "../session/runner.ts";
import { type GivenApproval, requireApproval } from "./approval.ts";

export interface StampOptions extends RunOptions {
  /** Record only this version. An edited file is accepted as it is. */
  only?: boolean;
  /** Remove the version from the history: it counts as never applied. */
  forget?: boolean;
  approval?: GivenApproval;
}

export interface StampResult {
  database: string;
  recorded: string[];
  forgotten: string[];
}

/** Records files as applied without running them: up to a version, `head` (all) or `base` (none). */
export async function stamp(
  settings: Settings,
  version: string,
  options: StampOptions,
): Promise<StampResult> {
  const approval = await requireApproval(settings, "stamp", options.approval ?? {});
  const note = { action: "stamp", to: version, ...approval };
  const files = findFiles(settings.migrations);
  const versioned = files.filter(({ repeatable }) => !repeatable);
  return withRunner(settings, "migrate stamp", options, async (runner) => {
    const { client, toolVersion } = runner;
    const { rows } = await readHistory(client);
    const end = findEnd(version);
    const chosen = options.forget
      ? []
      : options.only
        ? files.filter((file) => file.version === version)
        : versioned.slice(0, end);
    const stamped = new Set(chosen.map((file) => file.version));
    // As with other tools, files after the stamped version are pending again.
    const forgotten = [...rows.values()]
      .filter((row) => row.state !== "undone" && !row.repeatable)
      .map((row) => row.version)
      .filter((row) => (options.forget ? row === version : !options.only && !stamped.has(row)));
    const recorded = chosen.filter((file) => {
      const row = rows.get(file.version);
      return row?.state !== "applied" || row.checksumRaw !== file.raw;
    });
    await client.query(
      [
        "begin",
        ...buildSetRole(client, settings),
        ...recorded.map((file) =>
          buildRecordSql(client, file, "stamp", toolVersion, note, rows.get(file.version)),
        ),
        ...forgotten.map((row) => buildForgetSql(client, row, note)),
        "commit",
      ].join(";\n"),
    );
    return {
      database: settings.database.name,
      recorded: recorded.map((file) => file.version),
      forgotten,
    };

    function findEnd(to: string): number {
      if (to === "head") return versioned.length;
      if (to === "base") return 0;
      if (options.forget && rows.has(to)) return 0;
      const index = versioned.findIndex((file) => file.version === to);
      if (index === -1 && !files.some((file) => file.version === to && options.only)) {
        throw mistake(`there is no migration "${to}"; give a version, "head" or "base"`);
      }
      return index + 1;
    }
  });
}
