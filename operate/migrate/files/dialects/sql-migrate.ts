import { type Annotation, createDialect } from "./annotated.ts";

const BEGINS: Record<string, "up" | "down"> = { Up: "up", Down: "down" };

export const sqlMigrate = createDialect({
  tool: "sql-migrate",
  prefix: "\\+migrate\\b",
  known: "Up, Down (both with notransaction if needed), StatementBegin and StatementEnd",
  read(command): Annotation | undefined {
    const [name = "", ...options] = command.split(/\s+/);
    const begins = BEGINS[name];
    if (options.some((option) => !begins || option !== "notransaction")) return undefined;
    if (begins) return { begins, noTransaction: options.length > 0 };
    return name === "StatementBegin" || name === "StatementEnd" ? {} : undefined;
  },
});
