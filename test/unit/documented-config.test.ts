import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { lifecycleRules } from "../../components/bucket/lifecycle.ts";
import { assertRetention } from "../../components/bucket/retention-proof.ts";
import { parseConfig } from "../../config/config.ts";

const docs = join(import.meta.dirname, "..", "..", "docs");

/** The blocks of the docs that are a stack's file: the seeds' sidecar and nightly dump among them. */
const examples = readdirSync(docs)
  .filter((name) => name.endsWith(".md"))
  .flatMap((name) => {
    const text = readFileSync(join(docs, name), "utf8");
    const blocks = [...text.matchAll(/^```yaml\n(config:\n[^`]*)^```$/gm)];
    return blocks.map(([, yaml], index) => ({ where: `${name}, ${index + 1}`, yaml: yaml! }));
  });

test("the docs hold configurations to copy", () => {
  expect(examples.filter(({ where }) => where.startsWith("backups.md"))).toHaveLength(2);
});

test.each(examples)("the configuration of $where is accepted as it stands", ({ yaml }) => {
  const raw = Object.entries(parse(yaml).config as Record<string, unknown>).map(([key, value]) => [
    key,
    typeof value === "object" ? JSON.stringify(value) : String(value),
  ]);
  const config = parseConfig("prod", Object.fromEntries(raw));
  expect(config.engine).toBe("docker");
  if (!config.bucket) return;
  const { prefix, minBackups } = config.bucket;
  const rules = lifecycleRules("backups", prefix, config.bucket);
  assertRetention("prod", { ...config.backups, minBackups, prefix, rules, lockDays: undefined });
});
