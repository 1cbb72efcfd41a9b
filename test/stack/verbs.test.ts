import { spawn, spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Verb } from "../../cli/verb.ts";
import { verbs } from "../../cli/verbs.ts";
import { docker } from "../contract/docker-cli.ts";
import { Project } from "../support/project.ts";
import { StackProject } from "./stack-project.ts";

interface Ended {
  code: number | null;
  stdout: string;
  all: string;
}

/** A checkout with one stack, and a folder beside it for the files of the person. */
class Place {
  readonly kind: "local" | "dev";
  readonly project: Project | StackProject;
  readonly files = mkdtempSync(join(tmpdir(), "pgstead-verbs-"));
  /** Everything that the current verb was called with. */
  called: string[] = [];

  constructor(kind: "local" | "dev", project: Project | StackProject) {
    this.kind = kind;
    this.project = project;
  }

  get stack(): string {
    return this.project instanceof StackProject ? this.project.stack : "local";
  }

  get migrations(): string {
    return join(this.project.root, "migrations");
  }

  async call(args: string[], stdin = ""): Promise<Ended> {
    this.called.push(...args);
    const program = join(this.project.root, "dist", "pgstead.cjs");
    const env = { PGSTEAD_STACK: this.stack };
    return this.project.run(process.execPath, [program, ...args], { env, stdin });
  }

  /** Calls a verb that has to end with one of these codes. */
  async run(args: string[], codes: number[] = [0], stdin = ""): Promise<string> {
    const { code, stdout, all } = await this.call(args, stdin);
    expect(codes, `pgstead ${args.join(" ")} on ${this.kind} ended with ${code}: ${all}`).toContain(
      code,
    );
    return stdout;
  }

  file(name: string): string {
    return join(this.files, name);
  }

  read(name: string): string {
    return readFileSync(this.file(name), "utf8");
  }

  write(name: string, text: string): string {
    writeFileSync(this.file(name), text);
    return this.file(name);
  }
}

interface Try {
  run: (place: Place) => Promise<void>;
  /** It takes the stack away from the others. */
  last?: boolean;
}

/** Only its help is tried, for this reason. */
const byHelp = (_reason: string, name: string): Try => ({
  run: async (place) => {
    expect(await place.run([...name.split(" "), "--help"])).toContain("Usage: pgstead");
  },
});

const simply = (...args: string[]): Try => ({ run: async (place) => void (await place.run(args)) });

const byPulumi = (name: string) =>
  byHelp("Pulumi runs it with parameters on stdin; every `up` here does", name);

/** How to try each verb. One that is missing here fails the first test. */
const tries: Record<string, Try> = {
  up: simply("up", "--yes"),
  preview: simply("preview", "--expect-no-changes"),
  down: {
    last: true,
    run: async (place) => {
      await place.run(["down", "--yes"]);
      expect(await place.run([])).toContain(`pgstead up --stack ${place.stack}`);
    },
  },
  outputs: simply("outputs", "--json"),
  env: simply("env"),
  "adopt-volume": byHelp(
    "it needs another project's volume; adopt-volume.test.ts has one",
    "adopt-volume",
  ),
  recover: byHelp("it needs a lost state; identity.test.ts has one", "recover"),
  status: simply("status"),
  check: simply("check"),
  vector: simply("vector", "--no-recall"),
  doctor: simply("doctor"),
  logs: simply("logs", "-n", "5"),
  psql: {
    run: async (place) => {
      mkdirSync(place.file("below"));
      place.write("below/inner.sql", "select 'inner';\n");
      place.write("below/outer.sql", "select 'outer';\n\\ir inner.sql\n");
      const script = place.write(
        "script.sql",
        `select 'first';\n\\i ${place.file("below/outer.sql")}\n`,
      );
      const expected = "first\nouter\ninner\n";
      expect(await place.run(["psql", "-At", "-f", script])).toBe(expected);
      const piped = readFileSync(script, "utf8");
      expect(await place.run(["psql", "-At"], [0], piped)).toBe(expected);
      expect(
        await place.run(["psql", "-At", "-o", place.file("out.txt"), `--file=${script}`]),
      ).toBe("");
      expect(place.read("out.txt")).toBe(expected);
      expect(await place.run(["psql", "-Atc", "select 1", "-f", script, "-f", script])).toBe(
        `1\n${expected}${expected}`,
      );
      expect((await place.call(["psql", "-f", place.file("none.sql")])).all).toMatch(
        /no such file/i,
      );
      const copy = ["psql", "-Atc", "create temp table t (n int)", "-c", "\\copy t from pstdin"];
      expect(await place.run([...copy, "-c", "select sum(n) from t"], [0], "1\n2\n")).toContain(
        "3\n",
      );
    },
  },
  "migrate down": {
    run: async (place) => {
      place.write(
        "0004_down.sql",
        "create table down_again ();\n-- migrate:down\ndrop table down_again;\n",
      );
      renameSync(place.file("0004_down.sql"), join(place.migrations, "0004_down.sql"));
      expect(await place.run(["migrate", "up"])).toContain("now at 0004_down");
      expect(await place.run(["migrate", "down"])).toContain("now at 0003_audit_log");
      rmSync(join(place.migrations, "0004_down.sql"));
      // Its row stays in the history as undone.
      await place.run(["migrate", "list"]);
    },
  },
  "migrate up": simply("migrate", "up"),
  "migrate list": simply("migrate", "list"),
  "migrate current": simply("migrate", "current"),
  "migrate pending": simply("migrate", "pending"),
  "migrate run": {
    run: async (place) => {
      const sql = "create table by_path (n int);\n-- migrate:down\ndrop table by_path;\n";
      writeFileSync(join(place.migrations, "0005_path.sql"), sql);
      // Seen from the folder of the project, as a shell completes it.
      expect(await place.run(["migrate", "run", "./migrations/0005_path.sql"])).toContain(
        "ran 0005_path",
      );
      const named = join(place.migrations, "0005_path.sql");
      const again = await place.call(["migrate", "run", named]);
      expect([again.code, again.all]).toEqual([4, expect.stringContaining("was applied on")]);
      const outside = place.write("0005_other.sql", sql);
      const refused = await place.call(["migrate", "run", outside]);
      expect(refused.code).toBe(1);
      expect(refused.all).toContain(`"${outside}" is not a migration in ${place.migrations}`);
      await place.run(["migrate", "down"]);
      rmSync(named);
    },
  },
  "migrate new": {
    run: async (place) => {
      const path = (await place.run(["migrate", "new", "later"])).trim();
      expect(path.startsWith(place.migrations)).toBe(true);
      rmSync(path);
      const wanted = place.write("wanted.sql", "create table wanted (n int);\n");
      const from = await place.call(["migrate", "new", "wanted", "--from", wanted]);
      if (place.kind === "local") {
        expect([from.code, from.stdout.trim()]).toEqual([
          0,
          expect.stringContaining("_wanted.sql"),
        ]);
        rmSync(from.stdout.trim());
      } else expect([from.code, from.all]).toEqual([1, expect.stringContaining("--stack local")]);
    },
  },
  "migrate stamp": simply("migrate", "stamp", "0003_audit_log"),
  "migrate adopt": {
    run: async (place) => {
      const kept = place.file("kept-migrations");
      renameSync(place.migrations, kept);
      mkdirSync(place.migrations);
      await place.run(["psql", "-c", FROM_ALEMBIC]);
      const adopt = ["migrate", "adopt", "--from", "alembic"];
      const baseline = join(place.migrations, "0000_baseline.sql");
      expect(await place.run(adopt, [2])).toContain(`the live schema becomes ${baseline}`);
      expect(readdirSync(place.migrations)).toEqual([]);
      expect(await place.run([...adopt, "--yes"])).toContain("recorded as applied: 0000_baseline");
      expect(readFileSync(baseline, "utf8")).toMatch(/create table .*documents/i);
      expect(await place.run(["migrate", "up"])).toContain("nothing to apply");
      // Back to the files that made the schema.
      rmSync(place.migrations, { recursive: true });
      renameSync(kept, place.migrations);
      await place.run([
        "psql",
        "-c",
        "truncate pgstead.schema_migrations; drop table alembic_version",
      ]);
      await place.run(["migrate", "stamp", "head"]);
    },
  },
  "migrate verify": simply("migrate", "verify"),
  "migrate schema": {
    run: async (place) => {
      const file = place.file("schema.sql");
      await place.run(["migrate", "schema", "--out", file]);
      expect(place.read("schema.sql")).toBe(await place.run(["migrate", "schema"]));
      await place.run(["migrate", "schema", "--check", file]);
      writeFileSync(file, "select 1;\n");
      await place.run(["migrate", "schema", "--check", file], [2]);
    },
  },
  "backup now": {
    run: async (place) => {
      expect(await place.run(["backup", "now"])).toMatch(/^app-\d{8}T\d{6}Z: /);
      await place.run(["backup", "now", "--plain", "--out", place.file("dump.sql")]);
      expect(place.read("dump.sql")).toContain("CREATE TABLE public.documents");
      expect(readdirSync(place.files).filter((name) => name.includes("partial"))).toEqual([]);
    },
  },
  "backup list": simply("backup", "list"),
  "backup show": simply("backup", "show"),
  "backup get": {
    run: async (place) => {
      await place.run(["backup", "get", "latest", "--out", place.file("latest.dump")]);
      const named = (await place.run(["backup", "get", "latest"])).split(":")[0] as string;
      const inCheckout = join(place.project.root, named);
      expect(readFileSync(inCheckout).equals(readFileSync(place.file("latest.dump")))).toBe(true);
      rmSync(inCheckout);
    },
  },
  "backup verify": simply("backup", "verify"),
  "backup prune": simply("backup", "prune"),
  "backup schedule": {
    run: async (place) => {
      const shown = await place.project.run(
        process.execPath,
        [join(place.project.root, "dist", "pgstead.cjs"), "backup", "schedule"],
        { env: { PGSTEAD_STACK: place.stack, TZ: "Asia/Kathmandu" } },
      );
      expect(shown.all).toContain("07:45:00 GMT+5:45");
    },
  },
  "backup upload": simply("backup", "upload"),
  undo: {
    run: async (place) => {
      const { code, all } = await place.call(["undo", "--dry-run"]);
      expect([code, all]).toEqual([1, expect.stringMatching(/no change of image|runs no image/)]);
    },
  },
  finish: {
    run: async (place) => {
      const { code, all } = await place.call(["finish", "--dry-run"]);
      expect([code, all]).toEqual([1, expect.stringMatching(/no change of image|runs no image/)]);
    },
  },
  restart: simply("restart"),
  serve: {
    run: async (place) => {
      if (place.kind === "local") return void (await place.run(["serve", "--detach"]));
      expect(await place.run(["serve", "--healthy", "--json"], [0, 2])).toContain("{");
      const refused = await place.call(["serve"]);
      expect([refused.code, refused.all]).toEqual([
        1,
        expect.stringContaining(`docker exec ${place.stack}-agent`),
      ]);
    },
  },
  bootstrap: {
    run: async (place) => {
      await place.run(["bootstrap"], place.kind === "local" ? [0, 1] : [0]);
    },
  },
  "step migrate": byPulumi("step migrate"),
  "step change": byPulumi("step change"),
  "step try": byHelp("a preview runs it with parameters on stdin", "step try"),
  "step at-stake": byPulumi("step at-stake"),
};

const FROM_ALEMBIC = `drop schema pgstead cascade;
create table public.alembic_version (version_num text);
insert into public.alembic_version values ('ab12');
grant select on public.alembic_version to public;`;

const places: Place[] = [];
let dev: Place;
beforeAll(async () => {
  const [local, stack] = await Promise.all([Project.create(), StackProject.create("dev")]);
  local.configure(`  pgstead:port: "${local.port}"\n  pgstead:protect: "false"\n`);
  dev = new Place("dev", stack);
  places.push(new Place("local", local), dev);
});
afterAll(async () => {
  for (const { project, files } of places) {
    await project.remove();
    rmSync(files, { recursive: true, force: true });
  }
});

describe("each verb of the table", () => {
  test("has a way to be tried", () => {
    expect(Object.keys(tries).sort()).toEqual(verbs.map(({ name }) => name).sort());
  });

  const isLast = ({ name }: Verb) => tries[name]?.last === true;
  const inOrder = verbs.filter((verb) => !isLast(verb));

  test.each(inOrder)("$name works on local and on dev", (verb) => onBoth(verb));

  test("without a verb it says how the stack is, and what to type next", async () => {
    for (const place of places) {
      const shown = await place.run([]);
      expect(shown).toContain(`stack "${place.stack}"`);
      expect(shown).toMatch(/is up\n {2}schema version: 0003_audit_log, 0 pending\n/);
      expect(shown).toContain("newest proven backup: app-");
      expect(shown).toContain("pgstead psql");
    }
  });
});

async function onBoth(verb: Verb): Promise<void> {
  await Promise.all(
    places.map(async (place) => {
      place.called = [];
      await (tries[verb.name] as Try).run(place);
      if (place.called.includes("--help")) return;
      // A file in or out has to be tried, not only the verb.
      const files = (verb.options ?? []).filter(({ flags }) => flags.includes("<file>"));
      for (const { flags } of files) {
        expect(place.called, `${flags} on ${place.kind}`).toContain(/--[a-z-]+/.exec(flags)?.[0]);
      }
    }),
  );
}

/** Waits until something holds; a few seconds are enough on an idle machine. */
async function until(what: string, holds: () => boolean, seconds = 15): Promise<void> {
  for (let tries = 0; !holds(); tries++) {
    if (tries > seconds * 5) throw new Error(`still not: ${what}`);
    await sleep(200);
  }
}

const CODES = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143, SIGKILL: null } as const;
type Signal = keyof typeof CODES;

describe("a verb that is stopped on dev", () => {
  const ask = (sql: string) => (dev.project as StackProject).asSuperuser(sql);
  const count = (from: string) => Number(ask(`select count(*) from ${from}`));
  const isAtWork = (query: string) =>
    count(
      `pg_stat_activity where state = 'active' and pid <> pg_backend_pid() and query ~ '${query}'`,
    ) > 0;
  const isLocked = () => count("pg_locks where locktype = 'advisory'") > 0;
  const inAgent = (...command: string[]) => docker("exec", `${dev.stack}-agent`, ...command);
  const sent = () => inAgent("ls", "/tmp").match(/^pgstead-migrations-/gm)?.length ?? 0;
  const partials = () => inAgent("ls", "-A", "/var/lib/pgstead/backups").match(/partial.*/g);

  /** Stops the process that the person started, and nothing else, once `isBegun`. */
  async function stopped(args: string[], signal: Signal, isBegun: () => boolean, stdin = "") {
    const program = join(dev.project.root, "dist", "pgstead.cjs");
    const child = spawn(process.execPath, [program, ...args], {
      cwd: dev.project.root,
      env: { ...dev.project.env, PGSTEAD_STACK: dev.stack },
      stdio: ["pipe", "pipe", "pipe"],
    });
    let all = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (all += data));
    child.stdin.end(stdin);
    const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
    await until(`${args.join(" ")} is at work`, isBegun);
    const before = sent();
    child.kill(signal);
    const code = await ended;
    return { code, all, sent: before };
  }

  const SLEEP = "pg_sleep.60.";
  const sleeping = () => isAtWork(SLEEP);
  const file = () => join(dev.migrations, "0006_sleep.sql");

  test.each(Object.keys(CODES) as Signal[])("migrate run, by %s", async (signal) => {
    writeFileSync(file(), "select pg_sleep(60);\n");
    const run = await stopped(["migrate", "run", "0006_sleep.sql"], signal, sleeping);
    expect(run.code, run.all).toBe(CODES[signal]);
    expect(run.sent).toBe(1);
    if (signal !== "SIGKILL") {
      expect(run.all).toContain(`stopped by ${signal}`);
      // Cancelled by us; a server notices a lost connection later.
      expect(sleeping()).toBe(false);
    }
    await until("the statement is cancelled", () => !sleeping(), 5);
    await until("the operation lock is free", () => !isLocked(), 5);
    await until("the migrations sent along are gone", () => sent() === 0, 5);
    rmSync(file());
  });

  test("two at once have a folder of migrations each", async () => {
    writeFileSync(file(), "select pg_sleep(60);\n");
    const second = join(dev.migrations, "0007_second.sql");
    let listed = "";
    await stopped(["migrate", "run", "0006_sleep.sql"], "SIGINT", () => {
      if (!sleeping()) return false;
      writeFileSync(second, "select 1;\n");
      const program = join(dev.project.root, "dist", "pgstead.cjs");
      const env = { ...dev.project.env, PGSTEAD_STACK: dev.stack };
      const list = [program, "migrate", "list"];
      listed = spawnSync(process.execPath, list, {
        cwd: dev.project.root,
        env,
        encoding: "utf8",
      }).stdout;
      expect(sent()).toBe(1);
      return true;
    });
    expect(listed).toContain("0007_second");
    await until("both are gone", () => sent() === 0, 5);
    for (const path of [file(), second]) rmSync(path);
  });

  test.each(["SIGINT", "SIGTERM", "SIGKILL"] as Signal[])(
    "psql with a script, by %s",
    async (signal) => {
      const script = "select pg_sleep(60);\nselect 'never';\n";
      const run = await stopped(["psql", "-At"], signal, sleeping, script);
      expect(run.code, run.all).toBe(CODES[signal]);
      expect(run.all).not.toContain("never");
      await until("the statement is cancelled", () => !sleeping(), 5);
    },
  );

  test.each(["SIGTERM", "SIGKILL"] as Signal[])("backup now, by %s", async (signal) => {
    await whileTableIsLocked(async (isWaiting) => {
      const { code, all } = await stopped(["backup", "now"], signal, isWaiting);
      expect(code, all).toBe(CODES[signal]);
      await until("the dump ends", () => !isWaiting(), 5);
      await until("the operation lock is free", () => !isLocked(), 5);
      expect(partials()).toBeNull();
    });
  });

  test("backup now --out, by SIGINT, leaves no file here", async () => {
    await whileTableIsLocked(async (isWaiting) => {
      const out = dev.file("stopped.dump");
      const { code, all } = await stopped(["backup", "now", "--out", out], "SIGINT", isWaiting);
      expect(code, all).toBe(130);
      expect([existsSync(out), existsSync(`${out}.partial`)]).toEqual([false, false]);
      await until("the dump ends", () => !isWaiting(), 5);
    });
  });

  test("a reader that is gone is a closed terminal, not a bug", async () => {
    const program = join(dev.project.root, "dist", "pgstead.cjs");
    const child = spawn(process.execPath, [program, "migrate", "list"], {
      cwd: dev.project.root,
      env: { ...dev.project.env, PGSTEAD_STACK: dev.stack },
      stdio: ["ignore", "pipe", "pipe"],
    });
    child.stdout.destroy();
    let stderr = "";
    child.stderr.on("data", (data) => (stderr += data));
    expect(await new Promise((resolve) => child.once("close", resolve)), stderr).toBe(129);
    expect(stderr).not.toContain("bug of pgstead");
  });

  async function whileTableIsLocked(use: (isWaiting: () => boolean) => Promise<void>) {
    const hold = "begin; lock table documents; select pg_sleep(59)";
    const psql = ["psql", "-d", "app", "-c", hold];
    docker("exec", "-d", "-u", "postgres", `${dev.stack}-postgres`, ...psql);
    await until("the table is locked", () => isAtWork("pg_sleep.59."));
    try {
      await use(() => isAtWork("^LOCK TABLE"));
    } finally {
      ask(
        "select pg_terminate_backend(pid) from pg_stat_activity where query ~ 'pg_sleep.59.' and pid <> pg_backend_pid()",
      );
    }
  }
});

describe("what ends a stack", () => {
  const last = verbs.filter(({ name }) => tries[name]?.last);
  test.each(last)("$name works on local and on dev", (verb) => onBoth(verb));
});
