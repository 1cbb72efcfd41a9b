import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Writable } from "node:stream";
import type { Client } from "pg";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { encodeFrame } from "../../cli/frames.ts";
import { packFolder } from "../../cli/stack/docker/tar.ts";

let folder: string;
let server: Server;
const sockets: Socket[] = [];
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "pgstead-stop-"));
  // Accepts connections and never answers.
  server = createServer((socket) => sockets.push(socket.on("error", () => {})));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  // A process stops only once, so each test has its own modules.
  vi.resetModules();
});
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  server.close();
  rmSync(folder, { recursive: true });
});
const port = () => (server.address() as AddressInfo).port;

describe("a connection whose process is stopped", () => {
  const connected = () =>
    ({
      host: "127.0.0.1",
      port: port(),
      processID: 7,
      secretKey: 9,
      end: vi.fn(async () => {}),
    }) as unknown as Client;

  test("asks the server to cancel the statement, as the protocol wants it", async () => {
    const { cancelOnStop } = await import("../../operate/connect/cancel-on-stop.ts");
    const { requestStop } = await import("../../operate/stop.ts");
    const signal = AbortSignal.timeout(5_000);
    const got = once(server, "connection", { signal }).then(
      async ([socket]) => (await once(socket, "data"))[0],
    );
    await cancelOnStop(connected(), async () => {
      requestStop("SIGINT");
      const request: Buffer = await got;
      expect([0, 4, 8, 12].map((at) => request.readInt32BE(at))).toEqual([16, 80877102, 7, 9]);
    });
  });

  test("cancels nothing once its statement has ended, and begins none after the stop", async () => {
    const { cancelOnStop } = await import("../../operate/connect/cancel-on-stop.ts");
    const { requestStop } = await import("../../operate/stop.ts");
    const client = connected();
    await cancelOnStop(client, async () => {});
    requestStop("SIGINT");
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(sockets).toEqual([]);
    const use = vi.fn();
    await expect(cancelOnStop(client, use)).rejects.toThrow("stopped by SIGINT");
    expect(use).not.toHaveBeenCalled();
  });
});

describe("a file of the person's", () => {
  const out = () => join(folder, "x.dump");
  const saving = async (write: (target: Writable) => Promise<unknown>) => {
    const { saveFile } = await import("../../cli/save-file.ts");
    return saveFile(out(), write);
  };

  test("has its name once it is complete", async () => {
    await saving(async (target) => {
      target.write("all");
      await vi.waitFor(() => expect(readFileSync(`${out()}.partial`, "utf8")).toBe("all"));
      expect(existsSync(out())).toBe(false);
    });
    expect([readdirSync(folder), readFileSync(out(), "utf8")]).toEqual([["x.dump"], "all"]);
  });

  test("leaves nothing when the writing fails", async () => {
    const failing = saving(async (target) => {
      target.write("half");
      throw new Error("stopped");
    });
    await expect(failing).rejects.toThrow("stopped");
    expect(readdirSync(folder)).toEqual([]);
  });

  test("leaves nothing when the process exits in the middle", async () => {
    const before = process.listeners("exit");
    const added = () => process.listeners("exit").filter((each) => !before.includes(each));
    let left: string[] | undefined;
    const failing = saving(async (target) => {
      target.write("half");
      await vi.waitFor(() => expect(existsSync(`${out()}.partial`)).toBe(true));
      for (const listener of added()) listener(0);
      left = readdirSync(folder);
      throw new Error("the rest does not matter");
    });
    await expect(failing).rejects.toThrow("the rest does not matter");
    expect(left).toEqual([]);
    expect(process.listeners("exit")).toEqual(before);
  });
});

describe("the agent's side of a verb", () => {
  const settings = () => join(folder, "settings.json");
  const temporary = () => join(folder, "tmp");
  const sent = () =>
    readdirSync(temporary()).filter((name) => name.startsWith("pgstead-migrations-"));

  /** Waits until the verb is at work: its migrations are unpacked, and it has connected. */
  async function startVerb() {
    mkdirSync(temporary());
    const migrations = join(folder, "migrations");
    mkdirSync(migrations);
    writeFileSync(join(migrations, "0001_a.sql"), "select 1;\n");
    const database = { host: "127.0.0.1", port: port(), name: "app", user: "migrator" };
    const written = { stack: "test", engine: "docker", database, migrations: { folder: "/none" } };
    writeFileSync(settings(), JSON.stringify(written));
    const env = { ...process.env, PGSTEAD_SETTINGS: settings(), TMPDIR: temporary() };
    const child = spawn(process.execPath, ["dist/pgstead.cjs", "answer"], { env });
    const ended = once(child, "exit");
    const request = { verb: "migrate list", args: [], options: {}, json: false, yes: false };
    child.stdin.write(encodeFrame("request", JSON.stringify({ ...request, migrations })));
    child.stdin.write(encodeFrame("archive", packFolder(migrations)));
    let refusal = "";
    child.stderr.on("data", (data) => {
      refusal += data;
    });
    const refused = ended.then(() => Promise.reject(new Error(`it ended early: ${refusal}`)));
    refused.catch(() => {});
    await Promise.race([once(server, "connection"), refused]);
    expect(sent()).toHaveLength(1);
    return { child, ended };
  }

  test("counts the end of its stdin as a hangup, and a second stop ends it at once without leftovers", async () => {
    const { child, ended } = await startVerb();
    child.stdin.end();
    await new Promise((resolve) => setTimeout(resolve, 500));
    // Two signals would give 143: the first one only asks to stop.
    await vi.waitFor(
      () => {
        child.kill("SIGTERM");
        expect(child.exitCode ?? child.signalCode).not.toBeNull();
      },
      { timeout: 10_000, interval: 300 },
    );
    expect((await ended)[0]).toBe(129);
    expect(sent()).toEqual([]);
  });

  test("has a folder of migrations of its own, and removes it when it is told to stop twice", async () => {
    const { child, ended } = await startVerb();
    const [own] = sent();
    expect(readdirSync(join(temporary(), own!))).toEqual(["0001_a.sql"]);
    child.kill("SIGINT");
    await new Promise((resolve) => setTimeout(resolve, 300));
    child.kill("SIGINT");
    expect((await ended)[0]).toBe(130);
    expect(sent()).toEqual([]);
  });
});
