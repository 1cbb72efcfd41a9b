import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { generateDocs } from "../../tools/generate-config-docs.ts";

test.each(Object.entries(generateDocs()))(
  "%s repeats the schema; `npm run docs` writes it",
  (file, text) => {
    expect(readFileSync(file, "utf8")).toBe(text);
  },
);
