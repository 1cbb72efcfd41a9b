import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach } from "vitest";

/** A folder that is first on PATH during each test, for a script in place of the docker client. */
export function useDockerStub() {
  const path = process.env.PATH;
  const stub = {
    folder: "",
    write: (script: string) => writeFileSync(join(stub.folder, "docker"), script, { mode: 0o755 }),
  };
  beforeEach(() => {
    stub.folder = mkdtempSync(join(tmpdir(), "pgstead-docker-"));
    process.env.PATH = `${stub.folder}:${path}`;
  });
  afterEach(() => {
    process.env.PATH = path;
    rmSync(stub.folder, { recursive: true });
  });
  return stub;
}
