import { type Annotation, createDialect } from "./annotated.ts";

const ANNOTATIONS: Record<string, Annotation> = {
  up: { begins: "up" },
  down: { begins: "down" },
  statementbegin: {},
  statementend: {},
  "no transaction": { noTransaction: true },
  "envsub off": {},
  "envsub on": {
    refusal:
      "pgstead does not put environment variables into SQL; write the values in their place, then remove the ENVSUB lines",
  },
};

export const goose = createDialect({
  tool: "goose",
  prefix: "\\+goose\\b",
  known: "Up, Down, NO TRANSACTION, StatementBegin and StatementEnd",
  read: (command) => ANNOTATIONS[command.toLowerCase()],
});
