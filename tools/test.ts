import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, dirname } from "node:path";
import { acquirePulumi } from "../cli/stack/pulumi/acquire-pulumi.ts";

interface Suite {
  name: string;
  command: string[];
  /** Brings up what the suite needs, or says why it cannot run on this machine. */
  lacks?: () => string | undefined;
}

// Not through npx: it puts the npm package `pulumi`, which downloads, before the CLI on PATH.
const vitest = (...folders: string[]) => [
  "node",
  "node_modules/vitest/vitest.mjs",
  "run",
  ...folders,
];
/** Where the official provider plugins cannot be had, stand-ins that do the same take their place. */
const withPlugins = (...folders: string[]) => ["test/with-standins", ...vitest(...folders)];

const engine = once(() => broughtUp("test/fixture/base-image"));
const bucket = once(() => broughtUp("test/fixture/s3", "start"));
const psql = () =>
  spawnSync("psql", ["--version"]).status === 0 ? undefined : '"psql" is not installed';

const sshd = () => (existsSync("/usr/sbin/sshd") ? undefined : "there is no /usr/sbin/sshd");

const suites: Suite[] = [
  { name: "types", command: ["npx", "tsc"] },
  { name: "style", command: ["npx", "biome", "check", "."] },
  { name: "dead code", command: ["npx", "knip"] },
  { name: "unit", command: vitest("test/unit", "test/components") },
  { name: "package", command: vitest("test/package") },
  { name: "embedded", command: vitest("test/embedded") },
  { name: "front door", command: vitest("test/front-door"), lacks: psql },
  { name: "migrate", command: vitest("test/migrate"), lacks: engine },
  { name: "vector", command: vitest("test/vector"), lacks: engine },
  { name: "contract", command: withPlugins("test/contract"), lacks: () => engine() ?? bucket() },
  { name: "faults", command: withPlugins("test/faults"), lacks: () => engine() ?? bucket() },
  {
    name: "stack",
    command: withPlugins("test/stack"),
    lacks: () => engine() ?? bucket() ?? sshd(),
  },
  { name: "backup", command: withPlugins("test/backup"), lacks: () => engine() ?? bucket() },
];

function once(ask: () => string | undefined): () => string | undefined {
  let answer: { said: string | undefined } | undefined;
  return () => {
    answer ??= { said: ask() };
    return answer.said;
  };
}

/** The fixtures are idempotent and cached, so the first suite that needs one pays for all. */
function broughtUp(...command: [string, ...string[]]): string | undefined {
  const [program, ...args] = command;
  const { status, stderr } = spawnSync(program, args, {
    stdio: ["ignore", "ignore", "pipe"],
    encoding: "utf8",
  });
  process.stderr.write(stderr ?? "");
  return status === 0 ? undefined : `${command.join(" ")}: ${stderr?.trim().split("\n").at(-1)}`;
}

const only = process.argv.slice(2);
const unknown = only.filter((name) => !suites.some((suite) => suite.name === name));
if (unknown.length > 0) {
  const known = suites.map(({ name }) => `"${name}"`).join(", ");
  console.error(`error: there is no suite ${unknown.join(", ")}; suites: ${known}`);
  process.exit(1);
}

// Suites that speak to Pulumi through its own API look for it on PATH.
const pulumi = await acquirePulumi(process.cwd(), (line) => console.error(line));
process.env.PATH = [dirname(pulumi.program), process.env.PATH].join(delimiter);

const outcomes: { name: string; outcome: "passed" | "failed" | "skipped"; note: string }[] = [];
for (const { name, command, lacks } of suites) {
  if (only.length > 0 && !only.includes(name)) continue;
  console.log(`\n== ${name}`);
  const started = Date.now();
  const reason = lacks?.();
  if (reason) {
    outcomes.push({ name, outcome: "skipped", note: `could not run: ${reason}` });
    continue;
  }
  const [program, ...args] = command as [string, ...string[]];
  const { status } = spawnSync(program, args, { stdio: "inherit" });
  const seconds = Math.round((Date.now() - started) / 1000);
  outcomes.push({ name, outcome: status === 0 ? "passed" : "failed", note: `${seconds} s` });
}

console.log("");
for (const { name, outcome, note } of outcomes) {
  console.log(`${outcome.padEnd(8)} ${name} (${note})`);
}
const count = (wanted: string) => outcomes.filter(({ outcome }) => outcome === wanted).length;
// Where nobody looks at the lines above, a suite that did not run must not look like one that passed.
const failed = count("failed") + (process.env.CI ? count("skipped") : 0);
console.log(`\n${count("passed")} passed, ${failed} failed`);
process.exitCode = failed > 0 || count("passed") === 0 ? 1 : 0;
