import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";

declare module "vitest" {
  interface ProvidedContext {
    /** Path of the packed package. */
    tarball: string;
  }
}

/** Packs the checkout once for all tests of the package, because compiling writes into `dist/`. */
export default function setup(project: TestProject): () => void {
  const folder = mkdtempSync(join(tmpdir(), "pgstead-package-"));
  const compile = ["--import", "tsx", "tools/compile-components.ts"];
  execFileSync(process.execPath, compile, { stdio: "inherit" });
  const pack = ["pack", "--ignore-scripts", "--silent", "--pack-destination", folder];
  const name = execFileSync("npm", pack, { encoding: "utf8" }).trim();
  project.provide("tarball", join(folder, name));
  return () => rmSync(folder, { recursive: true, force: true });
}
