import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import { verbs } from "../../cli/verbs.ts";

const help = (...args: string[]) =>
  spawnSync(process.execPath, ["dist/pgstead.cjs", ...args, "--help"], { encoding: "utf8" }).stdout;

test("help lists apart what the stack starts by itself", () => {
  const [typed = "", started = ""] = help().split("started by the stack itself:\n");
  const named = (text: string) =>
    [...text.matchAll(/^ {2}([a-z][a-z-]*)/gm)].map(([, name]) => name);
  expect(named(started)).toEqual(["serve", "bootstrap", "step", "answer"]);
  for (const name of ["serve", "bootstrap", "step", "answer"]) {
    expect(named(typed)).not.toContain(name);
  }
  const words = verbs.map(({ name }) => name.split(" ")[0]);
  expect(new Set([...named(typed), ...named(started)])).toEqual(new Set([...words, "answer"]));
});

test("help of psql says what to type for files", () => {
  expect(help("psql")).toContain('type "pgstead psql -f FILE" instead');
});

test("help whose reader is gone ends without a word", async () => {
  const child = spawn(process.execPath, ["dist/pgstead.cjs", "--help"]);
  child.stdout.destroy();
  const [said] = await Promise.all([text(child.stderr), once(child, "exit")]);
  expect(said).toBe("");
});
