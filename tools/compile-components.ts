import { execFileSync } from "node:child_process";
import { readdirSync, rmSync } from "node:fs";

/** The components as plain JavaScript with types, for programs that import `pgstead/components`. */
const compiled = ["dist/components", "dist/config", "dist/operate"];

// Otherwise the output of a deleted file would be packed.
for (const folder of compiled) rmSync(folder, { recursive: true, force: true });
const tsc = ["node_modules/typescript/bin/tsc", "--project", "tools/components.tsconfig.json"];
execFileSync(process.execPath, tsc, { stdio: "inherit" });

// Components import only types from `operate`; its code is in the bundle.
for (const file of readdirSync("dist/operate")) {
  if (file.endsWith(".js")) rmSync(`dist/operate/${file}`);
}
