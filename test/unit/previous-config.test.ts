import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { runChangeStep } from "../../cli/stack/steps/change-step.ts";
import { listChangedKeys } from "../../cli/stack/steps/previous-config.ts";
import type { WantedServer } from "../../cli/stack/steps/server-trial.ts";

const server: WantedServer = { settings: {}, given: {}, shmMb: 64, stopSeconds: 120 };

describe("the keys that undo writes", () => {
  test.each<[string, Partial<WantedServer>, Partial<WantedServer>, object]>([
    ["none where nothing changed", { given: { a: 1 } }, { given: { a: 1 } }, {}],
    ["a setting", { given: { a: 1 } }, { given: { a: 2 } }, { "postgres.settings": { a: 1 } }],
    ["no settings", {}, { given: { a: 2 } }, { "postgres.settings": null }],
    ["limits", { cpus: 2 }, { cpus: 4, memoryMb: 512 }, cpusAndMemory(2, null)],
    ["another port", { port: 1 }, { port: 2 }, { port: 1 }],
    ["a port where there was none", {}, { port: 2 }, { publish: false }],
    ["no port where there was one", { port: 1 }, {}, { publish: true, port: 1 }],
    ["stopSeconds", {}, { stopSeconds: 5 }, { "postgres.stopSeconds": 120 }],
    ["TLS", {}, { tls: { required: true } }, { "postgres.tls": null }],
    ["TLS with another name", { tls: {} }, { tls: { names: ["a"] } }, { "postgres.tls": {} }],
    ["no certificate that was given", { tls: "given" }, { tls: {} }, {}],
  ])("%s", (_, before, after, keys) => {
    expect(listChangedKeys({ ...server, ...before }, { ...server, ...after })).toEqual(keys);
  });
});

function cpusAndMemory(cpus: number, memoryMb: number | null) {
  return { "postgres.cpus": cpus, "postgres.memoryMb": memoryMb };
}

describe("the step before a changed server", () => {
  const path = process.env.PATH;
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "pgstead-docker-"));
    vi.stubEnv("PATH", `${folder}:${path}`);
  });
  afterEach(() => {
    vi.unstubAllEnvs();
    rmSync(folder, { recursive: true });
  });

  /** Puts a docker client on PATH that knows one container, and the label of an older change. */
  function engine(status: string, label: string): void {
    const script = `#!/bin/sh
echo "$*" >>${folder}/asked
case "$*" in
*State.Status*) echo ${status};;
*.HostConfig*) echo '["sha256:x",["postgres"],{"NanoCpus":0,"Memory":0,"PortBindings":{}}]';;
container*) echo "sha256:x dev";;
"volume inspect"*) printf '%s' '${label}';;
esac
`;
    writeFileSync(join(folder, "docker"), script, { mode: 0o755 });
  }

  async function change(from: Partial<WantedServer>, to: Partial<WantedServer>): Promise<string[]> {
    const before = JSON.stringify({ image: "sha256:x", server: { ...server, ...from } });
    vi.stubEnv("PULUMI_COMMAND_STDOUT", before);
    const step = { prefix: "dev", image: "sha256:x", pinned: false, superuser: "postgres" };
    const rules = { protect: false, provenWithinHours: 0, accept: [] };
    await runChangeStep({ ...step, ...rules, server: { ...server, ...to } }, () => {});
    const asked = readFileSync(join(folder, "asked"), "utf8").split("\n");
    return asked.filter((line) => /^(tag|volume (create|rm)) /.test(line));
  }

  const record = (keys: object) => JSON.stringify({ keys, isOtherImage: false });
  const created = (keys: object) =>
    `volume create --label pgstead.previous=${record(keys)} dev-previous`;
  const [from, to] = [{ stopSeconds: 60 }, { stopSeconds: 5 }];
  const old = record({ "postgres.stopSeconds": 7, "postgres.cpus": 1 });

  test("records the settings and the image with which the server runs", async () => {
    engine("running", old);
    expect(await change(from, to)).toEqual([
      "volume rm dev-previous",
      created({ "postgres.stopSeconds": 60 }),
      "tag sha256:x dev-postgres:previous",
    ]);
  });

  test("does not forget them while the server does not run", async () => {
    engine("restarting", old);
    expect(await change(from, to)).toEqual([
      "volume rm dev-previous",
      created({ "postgres.stopSeconds": 7, "postgres.cpus": 1 }),
    ]);
  });

  test("records nothing when no key differs", async () => {
    engine("running", old);
    expect(await change(to, to)).toEqual([]);
  });
});
