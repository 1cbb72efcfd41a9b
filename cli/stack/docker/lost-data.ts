import { isAhead } from "../../../operate/backup/format/clock.ts";
import { formatAge, formatBytes } from "../../../operate/human-units.ts";
import { askEngine, findOnEngine, runInContainer } from "./ask-engine.ts";

interface Backup {
  id: string;
  takenAt: string;
  isProven: boolean;
  rows: number;
  bytes: number;
}

/**
 * What is known of data whose volume is gone: what its backups record. It reads the backups' volume,
 * because the agent may be gone, too. Fails if the engine is out of reach: then nothing is known.
 */
export async function describeLost(prefix: string): Promise<string> {
  const volume = `${prefix}-backups`;
  const backups = await readBackups(prefix, volume);
  const elsewhere = "copies may be in the stack's bucket";
  if (!backups) return `backups in volume "${volume}" could not be read; ${elsewhere}`;
  const newest = newestOf(backups.filter(({ isProven }) => isProven)) ?? newestOf(backups);
  if (!newest) return `volume "${volume}" holds no backup of it; ${elsewhere}`;
  const held = `about ${newest.rows} rows, ${formatBytes(newest.bytes)}`;
  const when = `${formatAge(newest.takenAt, new Date())} old`;
  return newest.isProven
    ? `the newest proven backup, ${newest.id}, is ${when} and held ${held}`
    : `no backup has been proven; the newest, ${newest.id}, is ${when} and held ${held}`;
}

const newestOf = (backups: Backup[]) =>
  backups
    .filter(({ takenAt }) => !isAhead(takenAt))
    .sort((a, b) => b.takenAt.localeCompare(a.takenAt))[0];

/** Reads manifests and proofs with the shell of any image of the stack; undefined if that fails. */
async function readBackups(prefix: string, volume: string): Promise<Backup[] | undefined> {
  const { env } = process;
  if ((await findOnEngine(env, ["volume", "inspect", volume])) === undefined) return [];
  const [image] = (await askEngine(env, ["images", "-q", `${prefix}-postgres`])).split("\n");
  if (!image) return undefined;
  const read =
    'cd /kept && for file in *.json *.proof; do [ ! -e "$file" ] || cat "$file"; printf \'\\0\'; done';
  const run = ["run", "--rm", "--network", "none", "-v", `${volume}:/kept:ro`];
  const answer = await runInContainer(env, [...run, "--entrypoint", "sh", image, "-c", read]);
  return answer.kind === "found" ? join(answer.stdout.split("\0").flatMap(parse)) : undefined;
}

interface Part {
  id: string;
  state?: string;
  startedAt?: string;
  databaseBytes?: number;
  rows?: number | Record<string, number>;
}

function parse(json: string): Part[] {
  try {
    return [JSON.parse(json)];
  } catch {
    // A file that was cut off, or that is not ours, records no backup.
    return [];
  }
}

function join(parts: Part[]): Backup[] {
  const proven = new Set(parts.filter(({ state }) => state === "proven").map(({ id }) => id));
  return parts.flatMap(({ id, startedAt, databaseBytes, rows }) =>
    startedAt === undefined
      ? []
      : {
          id,
          takenAt: startedAt,
          isProven: proven.has(id),
          rows: Object.values(rows ?? {}).reduce((sum, count) => sum + count, 0),
          bytes: databaseBytes ?? 0,
        },
  );
}
