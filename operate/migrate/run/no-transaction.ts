import { buildApprovalSql, buildFinishSql, buildUndoneSql } from "../history/history-sql.ts";
import { asPgstead, buildSetRole, buildUserSettings } from "../session/file-session.ts";
import { hashPrefixes } from "./intent.ts";
import { resumeUnits, startUnits } from "./resume-units.ts";
import { runUnit } from "./run-unit.ts";
import { splitUnits } from "./split-units.ts";
import type { UnitRun, UnitRunOptions } from "./unit-run.ts";

/** Runs a file unit by unit, records each one, and continues where an earlier run stopped. */
export async function runUnits({ row, approval, ...options }: UnitRunOptions): Promise<number> {
  const { runner, file, part, direction } = options;
  const { client, settings } = runner;
  const units = await splitUnits(part);
  const run: UnitRun = { ...options, units, hashes: hashPrefixes(units.map(({ sql }) => sql)) };
  await client.query(
    [buildUserSettings(settings), "reset role", ...buildSetRole(client, settings, false)].join(";"),
  );
  const record = (sql: string) => asPgstead(client, settings, () => client.query(sql));
  let done = 0;
  if (row?.state === "applying") done = await resumeUnits(run, row);
  else await startUnits(run, row);
  if (approval) await record(buildApprovalSql(client, file.version, approval));
  for (; done < units.length; done++) await runUnit(run, done);
  const buildEnd = direction === "up" ? buildFinishSql : buildUndoneSql;
  await record(buildEnd(client, file.version));
  return units.length;
}
