import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { withSession } from "../../operate/connect/session.ts";
import { findFiles } from "../../operate/migrate/files/find-files.ts";
import { readSource } from "../../operate/migrate/files/source.ts";
import { type HistoryRow, readHistory } from "../../operate/migrate/history/history.ts";
import { inspectPart } from "../../operate/migrate/history/inspect-part.ts";
import { schemaText } from "../../operate/migrate/schema/schema-file.ts";
import type { Settings } from "../../operate/settings.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { downByPsql, type Outcome, upByPsql } from "./by-psql.ts";
import { freshDatabase } from "./databases.ts";
import { type Project, projects } from "./projects.ts";

/**
 * `tsx test/real-projects/run.ts FOLDER [OWNER/NAME...]`: the migrations of real projects, from their
 * git repositories in FOLDER (FOLDER/OWNER+NAME or FOLDER/NAME), up and down to base on a real server:
 * by `pgstead`, and by `psql` file by file. Both must come equally far and make the same schema.
 */
const [folder, ...asked] = process.argv.slice(2);
if (!folder) {
  console.error("usage: npx tsx test/real-projects/run.ts FOLDER_OF_CHECKOUTS [OWNER/NAME...]");
  process.exit(1);
}

const work = mkdtempSync(join(tmpdir(), "pgstead-real-"));

async function main(): Promise<void> {
  const server = await startServer();
  try {
    console.log("| project | commit | layout | files | up | schema | down |");
    console.log("| --- | --- | --- | ---: | --- | --- | --- |");
    for (const project of projects) {
      if (asked.length > 0 && !asked.includes(project.repository)) continue;
      const { row, good } = await tryProject(server, project);
      console.log(`| ${row.join(" | ")} |`);
      if (!good) process.exitCode = 2;
    }
  } finally {
    await server.stop();
    rmSync(work, { recursive: true, force: true });
  }
}

async function tryProject(on: TestServer, project: Project) {
  const { repository, commit, layout } = project;
  const head = [repository, `\`${commit}\``, `\`${layout}\``];
  const place = join(work, repository.replace("/", "+"));
  const missing = extract(project, place);
  if (missing) return { row: [...head, missing, "", "", ""], good: false };
  const ours = await freshDatabase(on, "real_ours", place, project);
  const theirs = await freshDatabase(on, "real_psql", place, project);
  const count = findFiles(ours.settings.migrations).length;

  const up = await byPgstead(ours, "up");
  const upThere = await upByPsql(theirs.settings, on.password);
  const same = (await schema(ours.settings)) === (await schema(theirs.settings));
  const way = await wayBack(up.done, ours.settings);
  const undo = upThere.done.slice(upThere.done.length - way.count);
  const down = await byPgstead(ours, "down", String(way.count));
  const downThere = await downByPsql(theirs.settings, on.password, undo);
  const sameAfter = (await schema(ours.settings)) === (await schema(theirs.settings));
  return {
    row: [
      ...[...head, String(count)],
      told(up, upThere),
      same && sameAfter ? "as by psql" : `differs ${same ? "after down" : "after up"}`,
      told(down, downThere) + (way.next && !down.stopped ? `; next ${way.next}` : ""),
    ],
    good: same && sameAfter && isAsFar(up, upThere) && isAsFar(down, downThere),
  };
}

/** The very commit, without what lies about in a checkout. */
function extract({ repository, commit, folder: inside }: Project, to: string): string | undefined {
  const name = repository.split("/")[1] as string;
  const places = [repository.replace("/", "+"), name].flatMap((one) => [one, join(one, "repo")]);
  const from = places.map((one) => resolve(folder as string, one)).find(isRepository);
  if (!from) return "no checkout";
  mkdirSync(to, { recursive: true });
  try {
    const tar = execFileSync("git", ["-C", from, "archive", commit, inside], {
      maxBuffer: 1 << 28,
      stdio: ["ignore", "pipe", "ignore"],
    });
    execFileSync("tar", ["-x", "-C", to], { input: tar });
    return undefined;
  } catch {
    return "no such commit";
  }
}

const isRepository = (path: string) =>
  existsSync(path) &&
  spawnSync("git", ["-C", path, "rev-parse", "--git-dir"], { stdio: "ignore" }).status === 0 &&
  (existsSync(join(path, ".git")) || existsSync(join(path, "HEAD")));

/** How many can be undone: `down` undoes nothing at all when it cannot undo all that is asked. */
async function wayBack(applied: string[], { migrations }: Settings) {
  const files = findFiles(migrations).filter(({ version }) => applied.includes(version));
  let count = 0;
  for (const file of files.reverse()) {
    const { down } = readSource(file);
    if (!down) return { count, next: `${file.version}: none given` };
    try {
      await inspectPart(down);
    } catch (error) {
      return { count, next: `${file.version} is refused: ${firstLine(error as Error)}` };
    }
    count++;
  }
  return { count };
}

const firstLine = ({ message }: Error) =>
  message.replace(/^\S+: /, "").split(/[\n;]/, 1)[0] as string;

/** The verb as people start it, and what the history then says. */
async function byPgstead(
  { settings, file }: { settings: Settings; file: string },
  ...verb: string[]
): Promise<Outcome> {
  const { status, stderr } = spawnSync(
    "node",
    ["dist/pgstead.cjs", "migrate", ...verb, "--settings", file],
    { encoding: "utf8", env: { ...process.env, PGSTEAD_SETTINGS: "" } },
  );
  const done = await inState(settings, verb[0] === "up" ? "applied" : "undone");
  if (status === 0) return { done };
  const said = /^error: (?:\S*\/)?([^/\s:]+)(?:\/(?:up|down|migration)\.sql)?(.*)$/m.exec(stderr);
  return { done, stopped: { version: said?.[1] ?? "?", said: said?.[2] ?? stderr } };
}

const inState = (settings: Settings, wanted: HistoryRow["state"]) =>
  withSession(settings, { purpose: "real projects" }, async (client) =>
    [...(await readHistory(client)).rows.values()]
      .filter(({ state }) => state === wanted)
      .map(({ version }) => version),
  );

const schema = async (settings: Settings) => (await schemaText(settings)).sql;

const isAsFar = (ours: Outcome, theirs: Outcome) => ours.done.length >= theirs.done.length;

function told(ours: Outcome, theirs: Outcome): string {
  const { done, stopped } = ours;
  if (!stopped) return `${done.length}`;
  const alike = theirs.stopped && theirs.done.length === done.length;
  const peer = alike
    ? `psql too: ${theirs.stopped?.said}`
    : `psql ${theirs.done.length}${theirs.stopped ? ` (${theirs.stopped.said})` : ""}`;
  return `${done.length}, then ${stopped.version}${stopped.said} (${peer})`;
}

await main();
