export interface Section {
  title: string;
  /** `attention`: works, but somebody should look. */
  state: "ok" | "attention" | "down";
  lines: string[];
  /** The same for programs. */
  data: Record<string, unknown>;
}
