export interface Row {
  type: string;
  /** What the program changed. */
  change: string;
  /** The operation that Pulumi's engine reported. */
  engine: string;
  /** What happened to the real object. */
  real: string;
}

/** Collects the results and prints them as one table. */
export class ContractTable {
  readonly #rows: Row[] = [];

  add(row: Row): void {
    this.#rows.push(row);
  }

  print(title: string): void {
    const columns = ["type", "change", "engine", "real"] as const;
    const widths = columns.map((name) =>
      Math.max(name.length, ...this.#rows.map((row) => row[name].length)),
    );
    const line = (cells: string[]) =>
      cells
        .map((cell, i) => cell.padEnd(widths[i]!))
        .join("  ")
        .trimEnd();
    const lines = [title, line([...columns]), line(widths.map((width) => "-".repeat(width)))];
    for (const row of this.#rows) lines.push(line(columns.map((name) => row[name])));
    process.stdout.write(`\n${lines.join("\n")}\n`);
  }
}
