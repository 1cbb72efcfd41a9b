import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { Bench, type Program } from "./stack.ts";
import { ContractTable } from "./table.ts";

const TYPE = "command.local.Command";
const table = new ContractTable();
const folder = mkdtempSync(join(tmpdir(), "pgstead-command-"));
const log = join(folder, "log");
let bench: Bench;

/** What ran since the last look, one line for each. */
function ran(): string[] {
  const lines = readFileSync(log, "utf8").split("\n").filter(Boolean);
  writeFileSync(log, "");
  return lines;
}

const base: command.local.CommandArgs = {
  create: `echo "create $STEP" >> ${log}; echo out-$STEP; echo err-$STEP >&2`,
  environment: { STEP: "one", KEPT: "same" },
};

function program(args: command.local.CommandArgs): Program {
  return async () => {
    const run = new command.local.Command("run", args);
    return { stdout: run.stdout, stderr: run.stderr };
  };
}

beforeAll(async () => {
  writeFileSync(log, "");
  bench = await Bench.open("pgcmd");
});

afterAll(async () => {
  await bench.close();
  table.print("command.local.Command");
  rmSync(folder, { recursive: true });
});

describe("command.local.Command", () => {
  test("a preview runs nothing, the update once, the next not at all", async () => {
    const preview = await bench.preview(program(base), "run");
    expect([preview.op, ran()]).toEqual(["create", []]);
    const made = await bench.up(program(base), "run");
    expect([made.error, made.op, ran()]).toEqual(["", "create", ["create one"]]);
    expect(made.outputs).toEqual({ stdout: "out-one", stderr: "err-one" });
    const again = await bench.up(program(base), "run");
    table.add({
      type: TYPE,
      change: "(new), then nothing",
      engine: `${made.op}, ${again.op}`,
      real: "ran once",
    });
    expect([again.op, ran()]).toEqual(["same", []]);
  });

  test.each([
    {
      change: "environment",
      args: { environment: { STEP: "two", KEPT: "same" } },
      engine: "update",
      runs: ["create two"],
    },
    {
      change: "stdin",
      args: { environment: { STEP: "two", KEPT: "same" }, stdin: "text" },
      engine: "update",
      runs: ["create two"],
    },
    {
      change: "update added",
      args: {
        environment: { STEP: "two", KEPT: "same" },
        stdin: "text",
        update: `echo "update $STEP $(cat)" >> ${log}`,
      },
      engine: "update",
      runs: ["update two text"],
    },
    {
      change: "triggers added",
      args: { environment: { STEP: "two", KEPT: "same" }, stdin: "text", triggers: [1] },
      engine: "replace",
      runs: ["create two"],
    },
    {
      change: "triggers",
      args: {
        environment: { STEP: "two", KEPT: "same" },
        stdin: "text",
        triggers: [2],
        delete: `echo "delete $STEP" >> ${log}`,
      },
      engine: "replace",
      runs: ["create two"],
    },
    {
      change: "triggers, with delete",
      args: {
        environment: { STEP: "three", KEPT: "same" },
        triggers: [3],
        delete: `echo "delete $STEP" >> ${log}`,
      },
      engine: "replace",
      runs: ["create three", "delete two"],
    },
  ])("a change of $change: $engine", async (each) => {
    const args = { ...base, ...each.args };
    const preview = await bench.preview(program(args), "run");
    expect([preview.op, ran()]).toEqual([each.engine, []]);
    const result = await bench.up(program(args), "run");
    const runs = ran();
    table.add({
      type: TYPE,
      change: each.change,
      engine: `${result.op}${result.deletedFirst ? " (old first)" : ""} ${result.paths.join(" ")}`,
      real: runs.join(", "),
    });
    expect([result.error, result.op, runs]).toEqual(["", each.engine, each.runs]);
  });

  test("an update knows what the one before it printed", async () => {
    await bench.up(program({ create: "echo first", environment: { N: "1" } }), "run");
    const args = {
      create: "echo first",
      update: 'echo "before: $PULUMI_COMMAND_STDOUT"',
      environment: { N: "2" },
    };
    const result = await bench.up(program(args), "run");
    expect(result.outputs.stdout).toBe("before: first");
  });

  test("the preview of an update does not know its output", async () => {
    const args = { create: "echo later", environment: { N: "3" } };
    const seen: boolean[] = [];
    await bench.preview(async () => {
      const run = new command.local.Command("run", args);
      // biome-ignore lint/suspicious/noExplicitAny: whether an output is known is no public question.
      seen.push(await (run.stdout as any).isKnown);
    }, "run");
    table.add({
      type: TYPE,
      change: "stdout in the preview of an update",
      engine: seen[0] ? "the old one" : "unknown",
      real: "-",
    });
    expect(seen).toEqual([false]);
  });

  test("a failing command shows its whole line and what it printed, secrets on stderr too", async () => {
    const token = pulumi.secret("tok-hidden");
    const args = { create: 'echo "leak: $TOKEN" >&2; exit 3', environment: { TOKEN: token } };
    const result = await bench.up(program(args), "run");
    table.add({
      type: TYPE,
      change: "exit 3",
      engine: result.op,
      real: result.text.includes("tok-hidden") ? "stderr unmasked" : "stderr masked",
    });
    expect(result.op).toBe("failed");
    expect(result.text).toMatch(/exit status 3: running "echo \\?"leak: \$TOKEN/);
    expect(bench.state()).not.toContain("tok-hidden");
  });

  test("what it printed is in the state in clear, even from a secret, unless declared secret", async () => {
    const args = {
      create: 'echo "got $TOKEN"',
      environment: { TOKEN: pulumi.secret("tok-hidden"), PLAIN: "visible-one" },
    };
    await bench.up(program(args), "run");
    const isClear = bench.state().includes("tok-hidden");
    await bench.up(async () => {
      const additionalSecretOutputs = ["stdout"];
      new command.local.Command(
        "run",
        { ...args, create: 'echo "again $TOKEN"' },
        { additionalSecretOutputs },
      );
    }, "run");
    const declared = bench.state().includes("tok-hidden") ? "plain" : "encrypted";
    const seen = `stdout in state: ${isClear ? "plain" : "encrypted"}, declared secret: ${declared}`;
    table.add({ type: TYPE, change: "a secret in environment", engine: "update", real: seen });
    expect([isClear, declared]).toEqual([true, "encrypted"]);
  });

  test("interpreter, dir and logging are taken", async () => {
    const args = {
      create: "process.stdout.write(process.cwd())",
      interpreter: ["node", "-e"],
      dir: folder,
      logging: command.local.Logging.None,
    };
    const result = await bench.up(program(args), "run");
    expect([result.error, result.outputs.stdout]).toEqual(["", folder]);
  });
});
