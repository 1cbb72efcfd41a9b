import { buildFinishSql, buildUndoneSql } from "../history/history-sql.ts";
import { asPgstead, buildSetRole, buildUserSettings } from "../session/file-session.ts";
import { hashPrefixes } from "./intent.ts";
import { resumeUnits, startUnits } from "./resume-units.ts";
import { runUnit } from "./run-unit.ts";
import { splitUnits } from "./split-units.ts";
import type { UnitRun, UnitRunOptions } from "./unit-run.ts";

/** Runs a file unit by unit, records each one, and continues where an earlier run stopped. */
export async function runUnits({ row, finish, ...options }: UnitRunOptions): Promise<number> {
  const { runner, file, part, direction } = options;
  const { client, settings } = runner;
  const units = await splitUnits(part);
  const run: UnitRun = { ...options, units, hashes: hashPrefixes(units.map(({ sql }) => sql)) };
  await client.query(
    [buildUserSettings(settings), "reset role", ...buildSetRole(client, settings, false)].join(";"),
  );
  let done = 0;
  if (row?.state === "applying") done = await resumeUnits(run, row);
  else await startUnits(run);
  for (; done < units.length; done++) await runUnit(run, done);
  const record = direction === "up" ? buildFinishSql : buildUndoneSql;
  await asPgstead(client, settings, () => client.query(finish ?? record(client, file.version)));
  return units.length;
}
