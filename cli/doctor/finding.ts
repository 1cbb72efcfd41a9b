export interface Finding {
  name: string;
  /** `note`: fine for now, worth knowing. */
  state: "ok" | "note" | "missing";
  detail: string;
  fix?: string;
}
