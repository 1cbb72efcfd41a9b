import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { expect, test } from "vitest";

/**
 * Rooms and their shelves, from the ground up: a shelf imports from itself and from the shelves that
 * stand before it in its room. A shelf is a folder or one file.
 */
const ROOMS: Record<string, { imports: string[]; shelves: string[] }> = {
  config: {
    imports: [],
    shelves: [
      "config/choices.ts",
      "config/defaults.ts",
      "config/fields.ts",
      "config/verb-fields.ts",
      "config/agent-fields.ts",
      "config/sections",
      "config",
    ],
  },
  docker: {
    imports: [],
    shelves: ["docker"],
  },
  operate: {
    imports: ["config"],
    shelves: [
      "operate",
      "operate/connect",
      "operate/checks",
      "operate/vector",
      "operate/bootstrap",
      "operate/backup/format",
      "operate/backup/backup-settings.ts",
      "operate/backup/store",
      "operate/embedded",
      "operate/scratch",
      "operate/backup/take",
      "operate/backup/prove",
      "operate/agent",
      "operate/migrate/files/marks.ts",
      "operate/migrate/files/directives.ts",
      "operate/migrate/files/dialects",
      "operate/migrate/files",
      "operate/migrate/sql",
      "operate/migrate/history",
      "operate/migrate/session",
      "operate/migrate/run",
      "operate/migrate/schema",
      "operate/migrate/adopt",
      "operate/inspect",
    ],
  },
  components: {
    imports: ["config", "docker"],
    shelves: [
      "components",
      "components/guards",
      "components/server",
      "components/bucket",
      "components/engines",
      "components/migrations",
      "components/index.ts",
    ],
  },
  stacks: { imports: ["config", "components"], shelves: ["stacks"] },
  cli: {
    imports: ["config", "docker", "operate"],
    shelves: [
      "cli",
      "cli/stack",
      "cli/stack/docker",
      "cli/stack/pulumi",
      "cli/stack/steps",
      "cli/doctor",
      "cli/adopt-volume",
      "cli/psql",
      "cli/context.ts",
      "cli/verb.ts",
      "cli/verbs",
      "cli/verbs.ts",
      "cli/run-verb.ts",
      "cli/answer.ts",
      "cli/overview.ts",
      "cli/main.ts",
      "cli/pgstead.ts",
    ],
  },
};

/** What components write and `operate` reads: its types may be imported from everywhere. */
const SEAM = "operate/settings.ts";

interface Import {
  from: string;
  to: string;
  isType: boolean;
}

const filesBelow = (folder: string): string[] =>
  readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? filesBelow(path) : path.endsWith(".ts") ? [path] : [];
  });

function importsOf(file: string, text = readFileSync(file, "utf8")): Import[] {
  const statements = text.matchAll(
    /(?:import|export)\s+(type\s+)?[^;'"]*?from\s+"(\.[^"]+)"|import\("(\.[^"]+)"\)/g,
  );
  return [...statements].map(([, typeOnly, from, lazy]) => ({
    from: file,
    to: normalize(join(dirname(file), (from ?? lazy) as string)),
    isType: Boolean(typeOnly),
  }));
}

const roomOf = (file: string) => file.split("/")[0] as string;

/** The place of a file among the shelves of its room; the file itself wins over its folder. */
function shelfOf(file: string): number {
  const shelves = ROOMS[roomOf(file)]?.shelves ?? [];
  const own = shelves.indexOf(file);
  return own >= 0 ? own : shelves.indexOf(dirname(file));
}

function isAgainstTheDirection({ from, to, isType }: Import): boolean {
  const [room, target] = [roomOf(from), roomOf(to)];
  if (room === target) return shelfOf(to) > shelfOf(from);
  return !ROOMS[room]?.imports.includes(target) && !(isType && to === SEAM);
}

const shown = ({ from, to }: Import) => `${from} imports ${to}`;
const sources = Object.keys(ROOMS).flatMap((room) => filesBelow(room));
const imports = sources.flatMap((file) => importsOf(file));

test("every file stands on a shelf", () => {
  expect(sources.length).toBeGreaterThan(200);
  expect(sources.filter((file) => shelfOf(file) < 0)).toEqual([]);
});

test("each room and each shelf takes only from where it may", () => {
  expect(imports.length).toBeGreaterThan(500);
  expect(imports.filter(isAgainstTheDirection).map(shown)).toEqual([]);
});

test("no file imports itself over others, not for a type either", () => {
  const targets = new Map(sources.map((file) => [file, new Set<string>()]));
  for (const { from, to } of imports) targets.get(from)?.add(to);
  const reaches = (from: string, wanted: string, seen = new Set<string>()): boolean =>
    [...(targets.get(from) ?? [])].some((next) => {
      if (next === wanted) return true;
      if (seen.has(next)) return false;
      seen.add(next);
      return reaches(next, wanted, seen);
    });
  expect(sources.filter((file) => reaches(file, file))).toEqual([]);
});

test.each([
  ["components/a.ts", 'import { x } from "../operate/error.ts";', 1],
  ["components/a.ts", 'import type { S } from "../operate/settings.ts";', 0],
  ["components/a.ts", 'import { readSettings } from "../operate/settings.ts";', 1],
  ["operate/a.ts", 'await import("../cli/main.ts")', 1],
  ["operate/a.ts", 'import { runDocker } from "../docker/run-docker.ts";', 1],
  ["operate/backup/format/a.ts", 'import type { F } from "../store/folder.ts";', 1],
  ["operate/backup/store/a.ts", 'import type { F } from "../format/proof.ts";', 0],
  ["cli/verbs/a.ts", 'import { verbs } from "../verbs.ts";', 1],
])("%s with %s breaks %s rules", (file, text, broken) => {
  expect(importsOf(file, text).filter(isAgainstTheDirection)).toHaveLength(broken);
});
