import { execFileSync } from "node:child_process";
import { readdirSync, rmSync } from "node:fs";

/** The components as plain JavaScript with types, for programs that import `pgstead/components`. */
const compiled = ["dist/components", "dist/config", "dist/docker", "dist/operate"];

// What was compiled from a file that is gone would be packed for ever.
for (const folder of compiled) rmSync(folder, { recursive: true, force: true });
const tsc = ["node_modules/typescript/bin/tsc", "--project", "tools/components.tsconfig.json"];
execFileSync(process.execPath, tsc, { stdio: "inherit" });

// Components take types only from `operate`; its code is in the bundle.
for (const file of readdirSync("dist/operate")) {
  if (file.endsWith(".js")) rmSync(`dist/operate/${file}`);
}
