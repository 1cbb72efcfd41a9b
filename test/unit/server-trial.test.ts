import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { tryServer, type WantedServer } from "../../cli/stack/steps/server-trial.ts";
import { useDockerStub } from "../support/docker-stub.ts";

const stub = useDockerStub();

interface Engine {
  /** `docker container inspect` of the server; undefined if there is none. */
  running?: string | undefined;
  /** Lines of `docker ps`. */
  ps?: string;
  /** What `docker run` writes to stderr. */
  run?: string;
  code?: number;
}

/** Puts a docker client on PATH that answers so, with two processors and 4096 MB, and keeps its commands. */
function engine({ running, ps = "", run = "", code = 0 }: Engine): void {
  const texts = { running: running ?? "", ps, run };
  for (const [name, text] of Object.entries(texts)) writeFileSync(join(stub.folder, name), text);
  const script = `#!/bin/sh
echo "$*" | head -1 >>${stub.folder}/asked
case "$1" in
container) ${running ? `exec cat ${stub.folder}/running` : 'echo "Error: No such container: x" >&2; exit 1'};;
info) echo "2 4294967296";;
ps) exec cat ${stub.folder}/ps;;
run) cat ${stub.folder}/run >&2; exit ${code};;
esac
`;
  stub.write(script);
}

const asked = (verb: string) =>
  readFileSync(join(stub.folder, "asked"), "utf8")
    .split("\n")
    .filter((line) => line.startsWith(`${verb} `));

const server: WantedServer = {
  settings: { work_mem: "4MB", log_line_prefix: "%m a=b " },
  given: { work_mem: "4MB" },
  cpus: 2,
  memoryMb: 1024,
  shmMb: 64,
  stopSeconds: 120,
  port: 5433,
};

const inspected = JSON.stringify([
  "sha256:old",
  ["postgres", "-c", "hba_file=/x", "-c", "ssl=on", "-c", "work_mem=4MB"].concat(
    "-c",
    "log_line_prefix=%m a=b ",
  ),
  {
    NanoCpus: 2e9,
    Memory: 2 ** 30,
    PortBindings: { "5432/tcp": [{ HostIp: "127.0.0.1", HostPort: "5433" }] },
  },
]);

const attempt = (change: Partial<WantedServer>, image: string | undefined = "sha256:old") =>
  tryServer({ prefix: "dev", image, server: { ...server, ...change } });

test("a server that stays as it is needs no trial", async () => {
  engine({ running: inspected, code: 1 });
  await attempt({});
  expect([...asked("run"), ...asked("info"), ...asked("ps")]).toEqual([]);
});

describe("the settings are tried", () => {
  test.each<[string, Partial<WantedServer>, string | undefined]>([
    ["when one changes", { settings: { ...server.settings, work_mem: "8MB" } }, undefined],
    ["when one is added", { settings: { ...server.settings, jit: "off" } }, undefined],
    ["when one is removed", { settings: { work_mem: "4MB" } }, undefined],
    ["on another image", {}, "sha256:new"],
  ])("%s", async (_, change, image = "sha256:old") => {
    engine({ running: inspected });
    await attempt(change, image);
    expect(asked("run")).toEqual([expect.stringContaining(`--entrypoint sh ${image} -c`)]);
  });

  test("on the running image, where a preview does not know the new one", async () => {
    engine({ running: inspected });
    await tryServer({ prefix: "dev", server: { ...server, settings: {} } });
    expect(asked("run")).toEqual([expect.stringContaining("--entrypoint sh sha256:old -c")]);
  });

  test("on a first up only if the configuration gives some", async () => {
    engine({});
    await attempt({ given: {} });
    expect(asked("container")).toHaveLength(1);
    expect(asked("run")).toEqual([]);
    await attempt({});
    expect(asked("run")).toHaveLength(1);
  });
});

describe("fails", () => {
  test.each([
    [
      '2026-01-01 10:00:00.000 GMT [22] FATAL:  invalid value for parameter "work_mem": "lots"\n2026 [22] HINT:  Valid units are kB.\n',
      'invalid value for parameter "work_mem": "lots" (Valid units are kB.); correct postgres.settings.work_mem. Nothing was changed',
    ],
    [
      'postgres: "reserved_connections" (3) must be less than "max_connections" (3)\n',
      'with these settings: "reserved_connections" (3) must be less than "max_connections" (3); correct postgres.settings. Nothing',
    ],
  ])("for settings with which the server does not start: %j", async (stderr, message) => {
    engine({ running: inspected, run: stderr, code: 1 });
    const failed = attempt({ settings: {} });
    await expect(failed).rejects.toMatchObject({ exitCode: 1 });
    await expect(failed).rejects.toThrow(message);
  });

  test("with another exit code when the trial itself is not possible", async () => {
    engine({ running: inspected, run: "initdb: error: No space left on device\n", code: 1 });
    const failed = attempt({ settings: {} });
    await expect(failed).rejects.toMatchObject({ exitCode: 3 });
    await expect(failed).rejects.toThrow("could not be tried (exit code 1): initdb: error: No");
  });

  test.each<[Partial<WantedServer>, string]>([
    [{ cpus: 3 }, "postgres.cpus is 3, and the engine's machine has 2; set it to 2 or less"],
    [{ memoryMb: 4097 }, "postgres.memoryMb is 4097, and the engine's machine has 4096; set it"],
  ])("for limits above what the engine has: %j", async (limits, message) => {
    for (const running of [inspected, undefined]) {
      engine({ running });
      await expect(attempt(limits)).rejects.toThrow(message);
    }
  });

  test("for a port that another container publishes", async () => {
    const ps = "dev-postgres 127.0.0.1:5434->5432/tcp\nshop 0.0.0.0:5434->80/tcp, :::5434->80/tcp";
    for (const running of [inspected, undefined]) {
      engine({ running, ps });
      await expect(attempt({ port: 5434 })).rejects.toThrow(
        'port 5434 of 127.0.0.1 on the engine\'s machine is in use by container "shop"',
      );
    }
  });

  test("for a port that another program has opened", async () => {
    const bind = "listen tcp4 127.0.0.1:5434: bind: address already in use";
    engine({
      running: inspected,
      run: `docker: Error response from daemon: driver failed: ${bind}.\n`,
      code: 125,
    });
    await expect(attempt({ port: 5434 })).rejects.toThrow(
      "in use by another program; set pgstead:",
    );
  });

  test("not for the same port on another address of the machine", async () => {
    engine({ running: inspected, ps: "shop 10.0.0.1:5434->80/tcp" });
    await attempt({ port: 5434 });
    expect(asked("run")).toEqual([expect.stringContaining("-p 127.0.0.1:5434:5432")]);
  });
});
