import { mistake } from "../../../error.ts";

const AS_DOWN = 'write the line that begins the undo part as "-- migrate:down"';

/** Lines of other tools that mark parts of a file. As comments, they would let all parts run as one. */
const MARKERS: [tool: string, pattern: RegExp, remedy: string][] = [
  [
    "Liquibase",
    /^[ \t]*--[ \t]*(?:liquibase[ \t]+formatted[ \t]+sql|changeset[ \t]+[^\s:]+:\S)/im,
    'write each changeset as a file of its own, with its "--rollback" lines as SQL below "-- migrate:down"',
  ],
  ["MyBatis Migrations or dbdeploy", /^[ \t]*--[ \t]*\/\/[ \t]*@undo\b/im, AS_DOWN],
  ["tern", /^[ \t]*-{4}[ \t]*create above[ \t]*\/[ \t]*drop below/im, AS_DOWN],
  ["Play evolutions", /^[ \t]*(?:#|--)[ \t-]*!(?:ups|downs)\b/im, AS_DOWN],
  ["rambler", /^[ \t]*--[ \t]*rambler[ \t]+(?:up|down)\b/im, AS_DOWN],
  [
    "another migration tool",
    /^[ \t]*--[ \t]*\+(?!goose\b|migrate\b)\w+[ \t]+(?:up|down)\b/im,
    AS_DOWN,
  ],
];

export function assertSupported(path: string, text: string): void {
  for (const [tool, pattern, remedy] of MARKERS) {
    const found = pattern.exec(text);
    if (!found) continue;
    const line = text.slice(0, found.index).split("\n").length;
    throw mistake(
      `${path}:${line}: "${found[0].trim()}" is a line of ${tool}, which pgstead does not read; ${remedy}`,
    );
  }
}
