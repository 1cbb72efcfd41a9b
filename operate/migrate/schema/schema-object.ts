export interface SchemaObject {
  class: number;
  oid: number;
  kind: string;
  name: string;
  /** What makes it; null for what is only named. */
  sql: string | null;
}
