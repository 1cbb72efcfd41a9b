import { refused } from "../../error.ts";
import { buildSetRole, type Runner } from "../session/runner.ts";

/**
 * A setting of the database, not a row in it: a restore brings back yesterday's rows, and with them
 * the belief that the migration which made the restore necessary has yet to run. Its text must be
 * new each time. Only a superuser may take it away, so letting go of it is a row: a later restore
 * brings a hold of another text, and that row does not fit it.
 */
export const HOLD = "pgstead.hold";

export async function assertNotHeld(
  { client, settings }: Runner,
  versions: string[],
  release: boolean,
): Promise<void> {
  const held = await client.query("select current_setting($1, true) as reason", [HOLD]);
  const reason: string | null = held.rows[0].reason;
  if (!reason || versions.length === 0) return;
  const { rows } = await client.query("select from pgstead.released_holds where reason = $1", [
    reason,
  ]);
  if (rows.length > 0) return;
  if (!release) {
    throw refused(
      `migrations are on hold: ${reason}
these would run again: ${versions.join(", ")}
correct or remove what must not, and then: "pgstead migrate up --release-hold"`,
    );
  }
  const insert = `insert into pgstead.released_holds values (${client.escapeLiteral(reason)})`;
  await client.query(["begin", ...buildSetRole(client, settings), insert, "commit"].join(";"));
}
