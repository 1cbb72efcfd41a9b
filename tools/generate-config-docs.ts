import { readFileSync, writeFileSync } from "node:fs";
import { sizeServer } from "../components/server/tuning.ts";
import { unwrap } from "../config/mistakes.ts";
import { schema } from "../config/stack-config.ts";

interface Described {
  description?: string;
  def: {
    type: string;
    defaultValue?: unknown;
    entries?: Record<string, string>;
    innerType?: unknown;
  };
  shape?: Record<string, Described>;
}

const BEGIN = "generated from config/ by `npm run docs`: begin";
const END = "generated: end";

/** The files that repeat the schema, with their text. */
export function generateDocs(): Record<string, string> {
  return {
    "Pulumi.yaml": replaceBetween("Pulumi.yaml", "#", renderConfigBlock()),
    "docs/configuration.md": replaceBetween("docs/configuration.md", "<!--", renderConfigTable()),
    "docs/database.md": replaceBetween("docs/database.md", "<!--", renderSettingsTable()),
  };
}

function replaceBetween(file: string, comment: string, text: string): string {
  const current = readFileSync(file, "utf8");
  const close = comment === "<!--" ? " -->" : "";
  const [begin, end] = [`${comment} ${BEGIN}${close}`, `${comment} ${END}${close}`];
  const [from, to] = [current.indexOf(begin), current.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`${file} lacks the line "${begin}" or "${end}"`);
  return `${current.slice(0, from)}${begin}\n${text}\n${current.slice(to)}`;
}

/**
 * Flat keys only. Pulumi requires a typed key that has no default, and stops before our reader. Pulumi
 * takes a `value` in a project of any name, and a `default` only in one with the name of the keys.
 */
function renderConfigBlock(): string {
  const keys = Object.entries(schema.flat as unknown as Record<string, Described>);
  const lines = keys.flatMap(([name, node]) => [
    `  pgstead:${name}:`,
    `    description: ${JSON.stringify(node.description)}`,
    `    value: ${JSON.stringify(readDefault(node))}`,
  ]);
  return ["config:", ...lines].join("\n");
}

function renderConfigTable(): string {
  const rows = [
    ...Object.entries(schema.flat as unknown as Record<string, Described>),
    ...Object.entries(schema.sections as unknown as Record<string, Described>).flatMap(
      ([name, node]) => [[name, node] as [string, Described], ...listKeys(name, node)],
    ),
  ].map(
    ([name, node]) =>
      `| \`pgstead:${name}\` | ${describeValues(node)} | ${describeDefault(node)} | ${node.description ?? ""} |`,
  );
  return ["| key | values | default | what it does |", "| --- | --- | --- | --- |", ...rows].join(
    "\n",
  );
}

/** The server's settings for three machines, each with its reason. */
function renderSettingsTable(): string {
  const sizes = [[2048, 2] as const, [8192, 4] as const, [32_768, 8] as const];
  const sized = sizes.map(([memoryMb, cpus]) =>
    sizeServer("docs", { major: "18", memoryMb, cpus }),
  );
  const names = [...new Set(sized.flatMap(({ settings }) => settings.map(({ name }) => name)))];
  const rows = names.map((name) => {
    const found = sized.map(({ settings }) => settings.find((setting) => setting.name === name));
    const values = found.map((setting) => (setting ? `\`${setting.value}\`` : "its default"));
    return `| \`${name}\` | ${values.join(" | ")} | ${found.find(Boolean)?.reason} |`;
  });
  const shm = `| shared memory of the container | ${sized.map(({ shmMb }) => `${shmMb} MB`).join(" | ")} | index builds of a parallel restore at once, and a quarter |`;
  const head =
    "| setting | 2 GB, 2 processors | 8 GB, 4 | 32 GB, 8 | why |\n| --- | --- | --- | --- | --- |";
  return [head, ...rows, shm].join("\n");
}

function listKeys(prefix: string, node: Described): [string, Described][] {
  const shape = (unwrap(node) as Described).shape ?? {};
  return Object.entries(shape).flatMap(([name, child]) => {
    const path = `${prefix}.${name}`;
    return [[path, child] as [string, Described], ...listKeys(path, child)];
  });
}

function describeValues(node: Described): string {
  const inner = unwrap(node) as Described;
  if (inner.def.entries)
    return Object.values(inner.def.entries)
      .map((value) => `\`${value}\``)
      .join(", ");
  // A flat key is text, from which true and false are read.
  if (inner.def.type === "pipe") return "`true`, `false`";
  return inner.def.type === "object" ? "section" : inner.def.type;
}

const readDefault = (node: Described): unknown => {
  const value = node.def.defaultValue;
  return typeof value === "function" ? value() : value;
};

function describeDefault(node: Described): string {
  const value = readDefault(node);
  const isSection = (unwrap(node) as Described).def.type === "object";
  return value === undefined || isSection ? "" : `\`${JSON.stringify(value)}\``;
}

if (process.argv[1]?.endsWith("generate-config-docs.ts")) {
  for (const [file, text] of Object.entries(generateDocs())) writeFileSync(file, text);
}
