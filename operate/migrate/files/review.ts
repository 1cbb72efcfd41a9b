const questions: [string, RegExp][] = [
  [
    "table and column names",
    /\b(?:create|drop|alter) table\b[^(]*|\b(?:add|drop) column "[^"]+"/gi,
  ],
  [
    "null and default",
    /"[^"]+" [^,\n]*(?:\bnot null\b|\bdefault\b)[^,\n]*|\b(?:set|drop) (?:not null|default)[^;]*/gi,
  ],
  ["foreign keys and what they cascade", /FOREIGN KEY[^;]*/gi],
  [
    "indexes: does each new query path have one, and does building it lock a large table?",
    /create (?:unique )?index[^;]*/gi,
  ],
  [
    "unique: do the rows there are fit?",
    /add constraint "[^"]+" UNIQUE[^;]*|create unique index[^;]*/gi,
  ],
  [
    "dropped: is it data somebody needs? (a rename looks like a drop and an add)",
    /drop (?:table|column|view|function|type)[^;]*/gi,
  ],
];

/** What a person confirms before a generated file runs, with the places in it that are meant. */
export function review(statements: string[], left: string[]): string {
  const sql = statements.join(";\n");
  const lines = questions.flatMap(([question, pattern]) => {
    const found = [...sql.matchAll(pattern)].map(([text]) => text.replace(/\s+/g, " ").trim());
    const shown = [...new Set(found)].map((text) => `--       ${text.slice(0, 90)}`);
    return [`--   [ ] ${question}${shown.length === 0 ? ": none" : ""}`, ...shown];
  });
  return [
    "-- migrate:todo review, add what moves the data, and take this line out",
    "-- Written from a difference of schemas. Confirm:",
    ...lines,
    "--   [ ] data: does anything have to be filled in or moved?",
    ...(left.length > 0
      ? [
          "-- Not written, by hand if you want it:",
          ...left.map((line) => `--   ${line.replace(/\s+/g, " ")}`),
        ]
      : []),
    "",
  ].join("\n");
}
