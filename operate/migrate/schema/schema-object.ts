export interface SchemaObject {
  class: number;
  oid: number;
  kind: string;
  name: string;
  /** The SQL that creates it; null where pgstead writes none. */
  sql: string | null;
}
