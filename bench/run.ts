import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";

/** `npm run bench [NAME...]`: runs every benchmark in this folder, or the given ones. */
const NOT_A_BENCH = ["run", "measure"];
const names = readdirSync(import.meta.dirname)
  .filter((file) => file.endsWith(".ts"))
  .map((file) => file.slice(0, -".ts".length))
  .filter((name) => !NOT_A_BENCH.includes(name));
const asked = process.argv.slice(2);
for (const name of asked.length > 0 ? asked : names) {
  console.log(`== ${name}`);
  const file = join(import.meta.dirname, `${name}.ts`);
  const { status } = spawnSync("npx", ["tsx", file], { stdio: "inherit" });
  if (status !== 0) process.exitCode = 1;
}
