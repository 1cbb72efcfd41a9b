/** Readable in a preview: `PGSTEAD_PENDING: "none" => "0008_x"`, and one value that always changes. */
export function migrationInput(
  pending: string[],
  runOn: "always" | "changed" = "always",
): Record<string, string> {
  const PGSTEAD_PENDING = pending.length === 0 ? "none" : pending.join(", ");
  if (runOn === "changed") return { PGSTEAD_PENDING };
  return { PGSTEAD_PENDING, PGSTEAD_RUN: new Date().toISOString() };
}
