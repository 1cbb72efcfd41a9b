import { type ChildProcess, spawn } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Settings } from "../../operate/settings.ts";

export interface ChildEnded {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** The built program with these settings, as people type it. `onStart` gets the process. */
export function runPgstead(
  settings: Settings,
  args: string[],
  onStart: (child: ChildProcess) => void = () => {},
): Promise<ChildEnded> {
  const { folder } = settings.migrations;
  const file = join(folder, "..", `${settings.database.name}-${process.pid}.json`);
  writeFileSync(file, JSON.stringify(settings));
  const child = spawn(process.execPath, [resolve("dist/pgstead.cjs"), ...args, "--settings", file]);
  onStart(child);
  const output = { stdout: "", stderr: "" };
  child.stdout.on("data", (data) => {
    output.stdout += data;
  });
  child.stderr.on("data", (data) => {
    output.stderr += data;
  });
  return new Promise((done) =>
    child.once("close", (code) => {
      rmSync(file, { force: true });
      done({ code, ...output });
    }),
  );
}
