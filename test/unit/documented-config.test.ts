import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { lifecycleRules } from "../../components/bucket/lifecycle.ts";
import { assertRetention } from "../../components/bucket/retention-proof.ts";
import { findMistakes, parseConfig } from "../../config/parse.ts";

const docs = join(import.meta.dirname, "..", "..", "docs");

/** The blocks of the docs that show a stack's file. */
const examples = readdirSync(docs)
  .filter((name) => name.endsWith(".md"))
  .flatMap((name) => {
    const text = readFileSync(join(docs, name), "utf8");
    const blocks = [...text.matchAll(/^```yaml\n(config:\n[^`]*)^```$/gm)];
    return blocks.map(([, yaml], index) => ({ where: `${name}, ${index + 1}`, yaml: yaml! }));
  });

test("backups.md has two configurations to copy", () => {
  expect(examples.filter(({ where }) => where.startsWith("backups.md"))).toHaveLength(2);
});

test.each(examples)("the configuration of $where is accepted without a change", ({ yaml }) => {
  const given = parse(yaml).config as Record<string, unknown>;
  expect(findMistakes(given)).toEqual([]);
  const texts = Object.entries(given).map(([key, value]) => [
    key,
    typeof value === "object" ? JSON.stringify(value) : String(value),
  ]);
  const config = parseConfig(Object.fromEntries(texts)).values;
  expect(config?.engine).toBe("docker");
  if (!config?.bucket) return;
  const { prefix, minBackups } = config.bucket;
  const rules = lifecycleRules("backups", prefix, config.bucket);
  assertRetention("prod", { ...config.backups, minBackups, prefix, rules, lockDays: undefined });
});
