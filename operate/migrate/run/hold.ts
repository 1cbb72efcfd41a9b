import { refused } from "../../error.ts";
import { buildCheckedWrite } from "../history/history-sql.ts";
import { buildSetRole, type Runner } from "../session/runner.ts";

/**
 * S10: after a restore, migrations must not run again by themselves. The hold is a setting of the
 * database, because a restore replaces its rows. No code sets it yet: restores will, each with a new
 * text. Only a superuser can remove the setting, so a release is a row with the text of that hold. The
 * hold of a later restore has another text, and an old release does not match it.
 */
const HOLD = "pgstead.hold";

/** The text of the hold, unless it was released. */
async function readHold({ client }: Runner): Promise<string | undefined> {
  const setting = await client.query("select current_setting($1, true) as reason", [HOLD]);
  const reason: string | null = setting.rows[0].reason;
  if (!reason) return undefined;
  const { rows } = await client.query("select from pgstead.released_holds where reason = $1", [
    reason,
  ]);
  return rows.length > 0 ? undefined : reason;
}

export async function assertNoHold(runner: Runner, versions: string[]): Promise<void> {
  const reason = await readHold(runner);
  if (!reason || versions.length === 0) return;
  throw refused(
    `migrations are on hold: ${reason}
these would run again: ${versions.join(", ")}
correct or remove those that must not run, then: "pgstead migrate up --release-hold"`,
  );
}

export async function releaseHold(runner: Runner): Promise<void> {
  const reason = await readHold(runner);
  if (!reason) return;
  const { client, settings } = runner;
  const insert = buildCheckedWrite(
    `insert into pgstead.released_holds values (${client.escapeLiteral(reason)})`,
  );
  await client.query(["begin", ...buildSetRole(client, settings), insert, "commit"].join(";"));
}
