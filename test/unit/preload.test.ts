import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";

const root = join(import.meta.dirname, "..", "..");

function evaluate(script: string): unknown {
  const args = ["--import", "./tools/preload.mjs", "--eval", script];
  return JSON.parse(execFileSync(process.execPath, args, { cwd: root, encoding: "utf8" }));
}

const LATE = `Object.keys(require.cache).some((file) => /node_modules.(@npmcli.arborist|typescript).lib/.test(file))`;

test("the SDK leaves what serialises functions unloaded, until one is serialised", () => {
  const seen = evaluate(`
    const pulumi = require("@pulumi/pulumi");
    const before = ${LATE};
    pulumi.runtime.serializeFunction(() => 41 + 1).then(({ text }) =>
      console.log(JSON.stringify({ before, after: ${LATE}, isWhole: text.includes("41 + 1") })));
  `);
  expect(seen).toEqual({ before: false, after: true, isWhole: true });
});
