import { isAhead } from "../../../operate/backup/format/clock.ts";
import { formatAge, formatBytes } from "../../../operate/human-units.ts";
import { type Answer, docker } from "./docker-stack.ts";

interface Kept {
  id: string;
  takenAt: string;
  isProven: boolean;
  rows: number;
  bytes: number;
}

/**
 * What is known of data whose volume is gone: what its backups say of it. Read from their volume and
 * not from the agent, which goes with the stack and may be as gone as the data.
 */
export async function describeLost(prefix: string): Promise<string> {
  const volume = `${prefix}-backups`;
  const kept = await readKept(prefix, volume);
  const elsewhere = "copies may lie in the stack's bucket";
  if (kept === "unknown") return `backups in volume "${volume}" could not be read; ${elsewhere}`;
  const newest = newestOf(kept.filter(({ isProven }) => isProven)) ?? newestOf(kept);
  if (!newest) return `volume "${volume}" holds no backup of it; ${elsewhere}`;
  const held = `about ${newest.rows} rows, ${formatBytes(newest.bytes)}`;
  const when = `${formatAge(newest.takenAt, new Date())} old`;
  return newest.isProven
    ? `the newest proven backup, ${newest.id}, is ${when} and held ${held}`
    : `no backup has been proven; the newest, ${newest.id}, is ${when} and held ${held}`;
}

const newestOf = (kept: Kept[]) =>
  kept
    .filter(({ takenAt }) => !isAhead(takenAt))
    .sort((a, b) => b.takenAt.localeCompare(a.takenAt))[0];

/** Manifests and proofs, one after the other; any image of the stack has a shell to read them with. */
async function readKept(prefix: string, volume: string): Promise<Kept[] | "unknown"> {
  const there = await docker(process.env, ["volume", "inspect", volume]);
  if (there.code !== 0) return [];
  const image = (await ask("images", "-q", `${prefix}-postgres`)).stdout.split("\n")[0];
  if (!image) return "unknown";
  const read =
    'cd /kept && for file in *.json *.proof; do [ ! -e "$file" ] || cat "$file"; printf \'\\0\'; done';
  const run = ["run", "--rm", "--network", "none", "-v", `${volume}:/kept:ro`];
  const { code, stdout } = await ask(...run, "--entrypoint", "sh", image, "-c", read);
  return code === 0 ? join(stdout.split("\0").flatMap(parse)) : "unknown";
}

const ask = (...args: string[]): Promise<Answer> => docker(process.env, args);

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
    // Cut off, or nothing of ours: no word on a backup.
    return [];
  }
}

function join(parts: Part[]): Kept[] {
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
