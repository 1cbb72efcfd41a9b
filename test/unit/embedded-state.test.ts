import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { withClient } from "../../operate/connect/database.ts";
import { paths } from "../../operate/connect/embedded-paths.ts";
import { ExitCode } from "../../operate/error.ts";
import { type FileLock, tryFileLock } from "../../operate/file-lock.ts";
import type { Settings } from "../../operate/settings.ts";

/** Listens on the port of the settings, and closes each connection. */
let listener: Server;
let connections: number;
let folder: string;
let settings: Settings;

beforeEach(async () => {
  connections = 0;
  listener = createServer((socket) => {
    connections++;
    socket.destroy();
  });
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  folder = mkdtempSync(join(tmpdir(), "pgstead-state-"));
  settings = {
    stack: "local",
    engine: "embedded",
    database: { host: "127.0.0.1", port: port(), name: "app", user: "postgres" },
    embedded: { folder },
    migrations: { folder, files: "*", outOfOrder: "refuse", protected: false },
    checks: [],
  } as unknown as Settings;
});
afterEach(() => {
  listener.close();
  rmSync(folder, { recursive: true });
});

const port = () => (listener.address() as AddressInfo).port;
const holdLock = () => tryFileLock(paths.lock(folder), "server") as FileLock;
const writeRunning = (pid: number, served: number) =>
  writeFileSync(paths.running(folder), JSON.stringify({ pid, port: served }));
const connect = () => withClient(settings, { purpose: "test" }, async () => {});

const refusal = {
  exitCode: ExitCode.unreachable,
  message: expect.stringMatching(
    /the embedded server of stack "local" is not running; "pgstead up/,
  ),
};

test.each([
  ["no server of this stack runs", () => writeRunning(process.pid, port())],
  [
    "the server of this stack has another port",
    () => {
      holdLock();
      writeRunning(process.pid, 1);
    },
  ],
  [
    "the file with the port is of a crashed server",
    () => {
      holdLock();
      writeRunning(1, port());
    },
  ],
  ["the server of this stack still starts", () => void holdLock()],
])("another server on the port gets no connection when %s", async (_when, arrange) => {
  arrange();
  await expect(connect()).rejects.toMatchObject(refusal);
  expect(connections).toBe(0);
});

test("the server of this stack gets the connection", async () => {
  holdLock();
  writeRunning(process.pid, port());
  await expect(connect()).rejects.not.toMatchObject(refusal);
  expect(connections).toBe(1);
});
