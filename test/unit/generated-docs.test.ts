import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { generated } from "../../tools/generate-config-docs.ts";

test.each(Object.entries(generated()))(
  "%s repeats the schema; `npm run docs` writes it",
  (file, text) => {
    expect(readFileSync(file, "utf8")).toBe(text);
  },
);
