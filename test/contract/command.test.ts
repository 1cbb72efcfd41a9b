import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ContractTable } from "./table.ts";
import { type Program, TestStack } from "./test-stack.ts";

const TYPE = "command.local.Command";
const table = new ContractTable();
const folder = mkdtempSync(join(tmpdir(), "pgstead-command-"));
const log = join(folder, "log");
let testStack: TestStack;

/** Reads and clears the log: one line for each command that ran. */
function readLog(): string[] {
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
  testStack = await TestStack.open("pgcmd");
});

afterAll(async () => {
  await testStack.close();
  table.print("command.local.Command");
  rmSync(folder, { recursive: true });
});

describe("command.local.Command", () => {
  test("a preview runs nothing, the first up runs the command once, the second not at all", async () => {
    const preview = await testStack.preview(program(base), "run");
    expect([preview.op, readLog()]).toEqual(["create", []]);
    const made = await testStack.up(program(base), "run");
    expect([made.error, made.op, readLog()]).toEqual(["", "create", ["create one"]]);
    expect(made.outputs).toEqual({ stdout: "out-one", stderr: "err-one" });
    const again = await testStack.up(program(base), "run");
    table.add({
      type: TYPE,
      change: "(new), then nothing",
      engine: `${made.op}, ${again.op}`,
      real: "ran once",
    });
    expect([again.op, readLog()]).toEqual(["same", []]);
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
    const preview = await testStack.preview(program(args), "run");
    expect([preview.op, readLog()]).toEqual([each.engine, []]);
    const result = await testStack.up(program(args), "run");
    const runs = readLog();
    table.add({
      type: TYPE,
      change: each.change,
      engine: `${result.op}${result.deletedFirst ? " (old first)" : ""} ${result.paths.join(" ")}`,
      real: runs.join(", "),
    });
    expect([result.error, result.op, runs]).toEqual(["", each.engine, each.runs]);
  });

  test("an update gets the output of the one before it", async () => {
    await testStack.up(program({ create: "echo first", environment: { N: "1" } }), "run");
    const args = {
      create: "echo first",
      update: 'echo "before: $PULUMI_COMMAND_STDOUT"',
      environment: { N: "2" },
    };
    const result = await testStack.up(program(args), "run");
    expect(result.outputs.stdout).toBe("before: first");
  });

  test("the preview of an update does not know its output", async () => {
    const args = { create: "echo later", environment: { N: "3" } };
    const seen: boolean[] = [];
    await testStack.preview(async () => {
      const run = new command.local.Command("run", args);
      // biome-ignore lint/suspicious/noExplicitAny: `isKnown` is not part of the public type.
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

  test("a failing command shows its command line and its output, also secrets on stderr", async () => {
    const token = pulumi.secret("tok-hidden");
    const args = { create: 'echo "leak: $TOKEN" >&2; exit 3', environment: { TOKEN: token } };
    const result = await testStack.up(program(args), "run");
    table.add({
      type: TYPE,
      change: "exit 3",
      engine: result.op,
      real: result.text.includes("tok-hidden") ? "stderr unmasked" : "stderr masked",
    });
    expect(result.op).toBe("failed");
    expect(result.text).toContain("leak: tok-hidden");
    expect(result.text).toMatch(/exit status 3: running "echo \\?"leak: \$TOKEN/);
    expect(testStack.state()).not.toContain("tok-hidden");
  });

  test("the state has the output in clear text, even of a secret, unless it is declared secret", async () => {
    const args = {
      create: 'echo "got $TOKEN"',
      environment: { TOKEN: pulumi.secret("tok-hidden"), PLAIN: "visible-one" },
    };
    await testStack.up(program(args), "run");
    const isClear = testStack.state().includes("tok-hidden");
    await testStack.up(async () => {
      const additionalSecretOutputs = ["stdout"];
      new command.local.Command(
        "run",
        { ...args, create: 'echo "again $TOKEN"' },
        { additionalSecretOutputs },
      );
    }, "run");
    const declared = testStack.state().includes("tok-hidden") ? "plain" : "encrypted";
    const seen = `stdout in state: ${isClear ? "plain" : "encrypted"}, declared secret: ${declared}`;
    table.add({ type: TYPE, change: "a secret in environment", engine: "update", real: seen });
    expect([isClear, declared]).toEqual([true, "encrypted"]);
  });

  test("interpreter, dir and logging have an effect", async () => {
    const args = {
      create: "process.stdout.write(process.cwd())",
      interpreter: ["node", "-e"],
      dir: folder,
      logging: command.local.Logging.None,
    };
    const result = await testStack.up(program(args), "run");
    expect([result.error, result.outputs.stdout]).toEqual(["", folder]);
  });
});
