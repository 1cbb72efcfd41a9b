import { readDatabaseUrl } from "../../../config/database-url.ts";
import { mistake } from "../../../operate/error.ts";
import { type PulumiRun, runCaptured } from "./run-pulumi.ts";

export type Outputs = Record<string, string | number | null>;

export async function readOutputs(run: PulumiRun, showSecrets: boolean): Promise<Outputs> {
  const flags = showSecrets ? ["--show-secrets"] : [];
  const answer = await runCaptured(run, [
    "stack",
    "output",
    "--json",
    ...flags,
    "--stack",
    run.stack,
  ]);
  if (answer.code !== 0) throw mistake(answer.stderr.trim().replace(/^error: /, ""));
  const outputs = JSON.parse(answer.stdout) as Outputs;
  if (Object.keys(outputs).length > 0) return outputs;
  throw mistake(`stack "${run.stack}" has no outputs yet; run "pgstead up --stack ${run.stack}"`);
}

/** Some clients choose the driver by the scheme: SQLAlchemy needs `postgresql+asyncpg`. */
export function withScheme(outputs: Outputs, scheme: string): Outputs {
  return Object.fromEntries(
    Object.entries(outputs).map(([name, value]) => [
      name,
      typeof value === "string" ? value.replace(/^postgresql:\/\//, `${scheme}://`) : value,
    ]),
  );
}

/** Addresses for this machine if a port is published, else for the stack's network. */
export function asEnv(outputs: Outputs): [string, string][] {
  const url = outputs.hostUrl ?? outputs.url;
  const { host, port, database, user, password } = readDatabaseUrl(String(url));
  const lines: [string, string | null | undefined][] = [
    ["DATABASE_URL", String(url)],
    ["PGHOST", host],
    ["PGPORT", port],
    ["PGDATABASE", database],
    ["PGUSER", user],
    ["PGPASSWORD", password],
  ];
  return lines.filter((line): line is [string, string] => Boolean(line[1]));
}
