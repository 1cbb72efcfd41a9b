/**
 * The values that a preview shows: `PGSTEAD_PENDING: "none" => "0008_x"`. With `always`, a second value
 * changes each time, so that the step runs at each `up`.
 */
export function migrationInput(
  pending: string[],
  runOn: "always" | "changed" = "always",
): Record<string, string> {
  const PGSTEAD_PENDING = pending.length === 0 ? "none" : pending.join(", ");
  if (runOn === "changed") return { PGSTEAD_PENDING };
  return { PGSTEAD_PENDING, PGSTEAD_RUN: new Date().toISOString() };
}
