const QUESTIONS: [string, RegExp][] = [
  [
    "table and column names",
    /\b(?:create|drop|alter) table\b[^(]*|\b(?:add|drop) column "[^"]+"/gi,
  ],
  [
    "null and default",
    /"[^"]+" [^,\n]*(?:\bnot null\b|\bdefault\b)[^,\n]*|\b(?:set|drop) (?:not null|default)[^;]*/gi,
  ],
  ["foreign keys and their cascades", /FOREIGN KEY[^;]*/gi],
  [
    "indexes: does each new query path have one, and does building it lock a large table?",
    /create (?:unique )?index[^;]*/gi,
  ],
  [
    "unique: do the existing rows satisfy it?",
    /add constraint "[^"]+" UNIQUE[^;]*|create unique index[^;]*/gi,
  ],
  [
    "dropped: does anybody need this data? (a rename looks like a drop and an add)",
    /drop (?:table|column|view|function|type)[^;]*/gi,
  ],
];

/** Renders the questions to confirm before a generated file runs, each with the SQL it is about. */
export function renderReview(statements: string[], left: string[]): string {
  const sql = statements.join(";\n");
  const lines = QUESTIONS.flatMap(([question, pattern]) => {
    const found = [...sql.matchAll(pattern)].map(([text]) => text.replace(/\s+/g, " ").trim());
    const shown = [...new Set(found)].map((text) => `--       ${text.slice(0, 90)}`);
    return [`--   [ ] ${question}${shown.length === 0 ? ": none" : ""}`, ...shown];
  });
  return [
    "-- migrate:todo review, add statements that move data, then remove this line",
    "-- Generated from the difference of two schemas. Confirm:",
    ...lines,
    "--   [ ] data: must any rows be filled in or moved?",
    ...(left.length > 0
      ? [
          "-- Not generated; write it by hand if you need it:",
          ...left.map((line) => `--   ${line.replace(/\s+/g, " ")}`),
        ]
      : []),
    "",
  ].join("\n");
}
