import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { findSecrets, ProcessWatch, readFolder, renderProcesses } from "../support/secrets.ts";

test("the watch sees command lines and environments of processes that live shortly", async () => {
  const watch = await ProcessWatch.start();
  // Put together here, so that no other command line has them.
  const [inLine, inEnvironment] = ["line", "env"].map((place) => `in-${place}-${process.pid}`);
  const child = spawn("sleep", ["0.3"], { argv0: inLine!, env: { TOKEN: inEnvironment } });
  await new Promise((resolve) => child.once("close", resolve));
  const text = renderProcesses(await watch.stop());
  const secrets = { line: inLine!, environment: inEnvironment!, other: `no-${inLine}` };
  expect(findSecrets(secrets, { text })).toEqual(["line in text", "environment in text"]);
});

test("what a person gives in the environment counts inside of a container only", () => {
  const environment = "PULUMI_CONFIG_PASSPHRASE=s3cret\0PULUMI_CONFIG={}\0OTHER=shown";
  const render = (inContainer: boolean) =>
    renderProcesses([{ command: "node\0index.ts", environment, inContainer }]);
  expect(render(false)).toBe("node index.ts\nOTHER=shown");
  expect(render(true)).toContain("s3cret");
});

test("a secret is found as it is, in base64, in a URL, and in a file below", () => {
  const folder = mkdtempSync(join(tmpdir(), "pgstead-secrets-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  for (const name of ["below", "skipped"]) mkdirSync(join(folder, name));
  writeFileSync(join(folder, "below", "file"), "a/secret");
  writeFileSync(join(folder, "skipped", "file"), "other");
  const places = {
    plain: "x a/secret y",
    base64: Buffer.from("a/secret").toString("base64"),
    url: "https://u:a%2Fsecret@host",
    none: "a-secret",
    folder: readFolder(folder, ["skipped"]),
  };
  expect(findSecrets({ it: "a/secret", that: "other" }, places)).toEqual([
    "it in plain",
    "it in base64",
    "it in url",
    "it in folder",
  ]);
});
