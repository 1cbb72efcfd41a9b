import { spawn } from "node:child_process";
import { linkSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Verb } from "../../cli/verb.ts";
import { verbs } from "../../cli/verbs.ts";
import { docker, inspect } from "../contract/docker-cli.ts";
import { StackProject } from "./stack-project.ts";

/** Twice the limit of a look: a verb that waits for the engine a second time is too late. */
const LIMIT_MS = 20_000;
const OUT_OF_REACH = /the Docker engine at \S+ is out of reach: /;
/** Without an answer nothing is known about data, so no verb may say any of these. */
const ABOUT_DATA = /\bgone\b|no backup|empty|\blost\b|does not exist|there is no |not running/i;

interface Engine {
  host: string;
  /** Of an engine that hangs: since it was asked for the first time. */
  waitedMs: () => number;
  close: () => void;
}

const at = (host: string): Engine => ({ host, waitedMs: () => 0, close: () => {} });

let folder: string;
const engines = {
  "a port that refuses": () => at("tcp://127.0.0.1:1"),
  "a name that does not resolve": () => at("tcp://none.invalid:2375"),
  "a socket that refuses": () => at(`unix://${join(folder, "refuses.sock")}`),
  "an engine that never answers": hangingEngine,
};
type Kind = keyof typeof engines;

/** Accepts connections and answers none. */
async function hangingEngine(): Promise<Engine> {
  const sockets: Socket[] = [];
  let askedAt: number | undefined;
  const server = createServer((socket) => {
    askedAt ??= Date.now();
    sockets.push(socket.on("error", () => {}));
  });
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  return {
    host: `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`,
    waitedMs: () => (askedAt ? Date.now() - askedAt : Number.POSITIVE_INFINITY),
    close() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "pgstead-reach-"));
  mkdirSync(join(folder, "migrations"));
  writeFileSync(join(folder, "migrations", "0001_first.sql"), "select 1;\n");
  writeFileSync(join(folder, "Pulumi.yaml"), "name: pgstead\nruntime: nodejs\n");
  // A protected stack refuses `--delete-data` before it asks the engine.
  const config = "config:\n  pgstead:engine: docker\n  pgstead:protect: false\n";
  writeFileSync(join(folder, "Pulumi.dev.yaml"), config);
  await makeRefusingSocket(join(folder, "refuses.sock"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Closing a server removes its path; the second name of the socket stays, and nobody listens. */
async function makeRefusingSocket(second: string): Promise<void> {
  const path = `${second}.first`;
  const server = createServer();
  await new Promise<void>((ready) => server.listen(path, ready));
  linkSync(path, second);
  await new Promise((closed) => server.close(closed));
}

/** What these verbs print or write needs no engine. */
const WITHOUT_ENGINE = ["outputs", "env", "migrate new", "serve"];

const stepInput = {
  ...{ prefix: "dev", superuser: "postgres", protect: true, provenWithinHours: 24, accept: [] },
  server: { settings: {}, given: {}, shmMb: 64, stopSeconds: 120 },
  ...{ container: "dev-postgres", image: "dev", network: "dev", volumes: {}, startSeconds: 60 },
  ...{ folder: "migrations", gone: true },
};

/** Arguments of the verbs that need others than "latest" for each `<argument>`. */
const ARGUMENTS: Record<string, string[][]> = {
  "adopt-volume": [["old"], ["--from-container", "old"]],
  "backup get": [["latest"], ["latest", "--out", "app.dump"]],
  "backup now": [[], ["--out", "app.dump"], ["--volume", "files", "--out", "files.tar"]],
  "migrate adopt": [["--from", "alembic"]],
  "migrate run": [["migrations/0001_first.sql"]],
  "migrate stamp": [["head"]],
  down: [["--yes"], ["--yes", "--delete-data", "dev"]],
  up: [["--yes"]],
};

const linesOf = ({ name, args = "" }: Verb): string[][] =>
  (ARGUMENTS[name] ?? [(args.match(/<\w+>/g) ?? []).map(() => "latest")]).map((given) => [
    ...name.split(" "),
    ...given,
  ]);

interface Ended {
  line: string;
  code: number | null;
  all: string;
  waitedMs: number;
}

/** Runs the bundle that people start. */
async function pgstead(line: string[], kind: Kind): Promise<Ended> {
  const engine = await engines[kind]();
  const { PGSTEAD_STACK, PGSTEAD_SETTINGS, PULUMI_BACKEND_URL, ...env } = process.env;
  const isStep = line[0] === "step";
  const args = [resolve("dist/start.cjs"), ...line, ...(isStep ? [] : ["--stack", "dev"])];
  const child = spawn(process.execPath, args, {
    cwd: folder,
    env: { ...env, DOCKER_HOST: engine.host, PGSTEAD_IMAGE: "sha256:0" },
  });
  child.stdin.on("error", () => {}).end(isStep ? JSON.stringify(stepInput) : "");
  let all = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (data) => {
      all += data;
    });
  }
  return new Promise((ended, reject) => {
    child.once("error", reject);
    child.once("close", (code) => {
      ended({ line: line.join(" "), code, all, waitedMs: engine.waitedMs() });
      engine.close();
    });
  });
}

/** A few at once: what hangs only waits, the rest needs a processor. */
async function runAll(lines: string[][], kind: Kind, atOnce: number): Promise<Ended[]> {
  const [waiting, ended] = [[...lines], [] as Ended[]];
  const work = async () => {
    for (let line = waiting.shift(); line; line = waiting.shift()) {
      ended.push(await pgstead(line, kind));
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return ended;
}

/** `doctor` reports and goes on; the text of `step at-stake` is the end of a refusal. */
const EXIT_CODES: Record<string, number> = { doctor: 2, "step at-stake": 0 };

const problemsOf = ({ line, code, all, waitedMs }: Ended): string[] => [
  ...(code === (EXIT_CODES[line] ?? 3) ? [] : [`${line}: exit code ${code}: ${all}`]),
  ...(OUT_OF_REACH.test(all) ? [] : [`${line}: not out of reach: ${all}`]),
  ...(ABOUT_DATA.test(all) ? [`${line}: speaks of data: ${all}`] : []),
  ...(waitedMs < LIMIT_MS ? [] : [`${line}: waited ${waitedMs} ms`]),
];

describe("S35 every verb that asks the engine says that it is out of reach, and nothing of data", () => {
  const asking = verbs.filter(({ name }) => !WITHOUT_ENGINE.includes(name));
  const lines = asking.flatMap(linesOf);

  test("the table of verbs is asked", () => {
    expect(lines.length).toBeGreaterThan(35);
    for (const name of [...WITHOUT_ENGINE, ...Object.keys({ ...ARGUMENTS, ...EXIT_CODES })]) {
      expect(verbs.map((verb) => verb.name)).toContain(name);
    }
  });

  test.concurrent.each<[Kind, number]>([
    ["a port that refuses", 2],
    ["a name that does not resolve", 2],
    ["a socket that refuses", 2],
    ["an engine that never answers", 16],
  ])("at %s", async (kind, atOnce) => {
    const ended = await runAll(lines, kind, atOnce);
    expect(ended).toHaveLength(lines.length);
    expect(ended.flatMap(problemsOf)).toEqual([]);
  });
});

describe("S35 the guard of a stack that has had data", () => {
  let project: StackProject;
  const volume = () => `${project.stack}-data`;
  const up = (host: string) => project.pgstead(["up", "--yes"], { env: { GUARD_HOST: host } });

  /** The plugin reaches the engine, and the guard asks another address. */
  beforeAll(async () => {
    project = await StackProject.create("dev");
    const program = `import { DataVolumes } from "./components/server/volumes.ts";
const dockerHost = process.env.GUARD_HOST || undefined;
const cluster = { major: "18", base: "alpine" };
new DataVolumes("volumes", { prefix: "${project.stack}", cluster, protect: false, dockerHost });
`;
    writeFileSync(join(project.root, "index.ts"), program);
    const { code, all } = await up("");
    expect(code, all).toBe(0);
    docker("volume", "rm", volume());
  });
  afterAll(() => project?.remove());

  test.each<Kind>(["a name that does not resolve", "an engine that never answers"])(
    "asked at %s, does not say that the volume is gone",
    async (kind) => {
      const engine = await engines[kind]();
      const { code, all } = await up(engine.host);
      engine.close();
      expect([code, all]).toEqual([3, expect.stringMatching(OUT_OF_REACH)]);
      expect(all).not.toMatch(/\bgone\b|has had data|has stored data/);
      expect(inspect("volume", volume())).toBeUndefined();
    },
  );

  test("says nothing in a preview, which changes nothing", async () => {
    const { host } = await engines["a name that does not resolve"]();
    const { all } = await project.pgstead(["preview"], { env: { GUARD_HOST: host } });
    expect(all).not.toMatch(/\bgone\b|has had data|has stored data/);
  });

  test("says so when the engine itself does not have it", async () => {
    const { code, all } = await up("");
    expect([code, all]).toEqual([4, expect.stringContaining(`volume "${volume()}" is gone`)]);
  });
});
