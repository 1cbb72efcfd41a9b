import { ExitCode } from "../../operate/error.ts";
import { formatBytes } from "../../operate/human-units.ts";
import type { VectorIndex } from "../../operate/vector/inventory.ts";
import type { VectorReport } from "../../operate/vector/report.ts";
import type { Verb } from "../verb.ts";
import { wholeNumber } from "./migrate-options.ts";

export const vector: Verb = {
  name: "vector",
  where: "agent",
  group: "look",
  summary: "vector columns, indexes, memory, recall, and advice; exit 2 if something is wrong",
  options: [
    { flags: "--no-recall", description: "do not measure recall" },
    { flags: "--samples <count>", description: "rows to search for", default: "20" },
    { flags: "--neighbours <count>", description: "nearest rows of each of them", default: "10" },
    { flags: "--seconds <count>", description: "limit for one index", default: "20" },
  ],
  examples: ["pgstead vector", "pgstead vector --stack prod --json", "pgstead vector --no-recall"],
  async run(context, { options }) {
    const { readVectorReport } = await import("../../operate/vector/report.ts");
    const recall = {
      withRecall: options.recall !== false,
      samples: wholeNumber(String(options.samples), "--samples"),
      neighbours: wholeNumber(String(options.neighbours), "--neighbours"),
      budgetMs: wholeNumber(String(options.seconds), "--seconds") * 1000,
    };
    const note = (line: string) => context.note(line);
    const report = await readVectorReport(await context.settings(), recall, note);
    context.print(report, () => describe(report));
    const isAmiss = report.advice.some(({ kind }) => kind === "amiss");
    return isAmiss ? ExitCode.pending : ExitCode.fine;
  },
};

function describe(report: VectorReport): string {
  const { library, extension, columns, indexes, recall, advice, database } = report;
  const lines = [`pgvector ${extension} in "${database}", library ${library}`];
  if (columns.length === 0) lines.push("no vector column");
  for (const { table, column, type, dimensions, rows } of columns) {
    lines.push(`column ${table}.${column}: ${type}(${dimensions ?? "any"}), about ${rows} rows`);
  }
  for (const index of indexes) {
    const { name, method, bytes: size, operator } = index;
    lines.push(`index ${name}: ${method}, ${parameters(index)}, ${operator}, ${formatBytes(size)}`);
    const measured = recall.find((each) => each.index === name);
    if (measured?.recall !== null && measured?.recall !== undefined) {
      const share = `${(measured.recall * 100).toFixed(1)} %`;
      const how = `${measured.setting}, ${measured.neighbours} nearest of ${measured.samples} rows`;
      lines.push(`  recall ${share} (${how})`);
    } else if (measured) lines.push(`  recall not measured: ${measured.problem}`);
  }
  for (const { kind, about, text } of advice) {
    lines.push(`${kind === "amiss" ? "AMISS " : "review"} ${about}: ${text}`);
  }
  return lines.join("\n");
}

const parameters = ({ options }: VectorIndex) =>
  Object.entries(options)
    .map(([name, value]) => `${name} ${value}`)
    .join(" ") || "default parameters";
