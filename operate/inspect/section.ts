export interface Section {
  title: string;
  /** `attention`: it works, but a person should look. */
  state: "ok" | "attention" | "down";
  lines: string[];
  /** The same content for programs. */
  data: Record<string, unknown>;
}
