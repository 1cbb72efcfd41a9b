import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import {
  CreateBucketCommand,
  GetObjectCommand,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { describe, expect, test } from "vitest";

import {
  BreakableLine,
  Clock,
  FaultyS3,
  kill,
  Random,
  runScenario,
  SmallDisk,
  start,
  waitForExit,
} from "./harness.ts";

/** A writer, once correct and once with a bug: its file exists before the line is complete. */
interface WriterWorld {
  folder: string;
  file: string;
  writer?: ReturnType<typeof start>;
}

function runWriter(seed: number, rename: boolean) {
  const write = rename
    ? 'for i in $(seq 60); do echo "$i complete" > part; sleep 0.002; mv part "done.$i"; done'
    : 'for i in $(seq 60); do printf "%s " $i > "done.$i"; sleep 0.002; echo complete >> "done.$i"; done';
  return runScenario<WriterWorld>({
    name: rename ? "writer that renames" : "writer that does not",
    seed,
    rounds: 4,
    open: async () => {
      const folder = mkdtempSync(join(tmpdir(), "pgstead-faults-"));
      return { folder, file: join(folder, "done") };
    },
    close: async ({ folder }) => rmSync(folder, { recursive: true }),
    steps: [
      {
        name: "write",
        windowMs: 150,
        run: async (world) => {
          world.writer = start("bash", ["-c", write], { cwd: world.folder });
          const code = await waitForExit(world.writer);
          if (code !== 0) throw new Error(`ended by ${code}`);
        },
      },
    ],
    faults: [
      {
        name: "kill",
        strike: async ({ writer }) => {
          if (writer) kill(writer);
          return undefined;
        },
      },
    ],
    invariants: [
      {
        name: "every entry is complete",
        check: async ({ file }) => {
          for (let i = 1; i <= 60 && existsSync(`${file}.${i}`); i++) {
            expect(readFileSync(`${file}.${i}`, "utf8")).toBe(`${i} complete\n`);
          }
        },
      },
    ],
  });
}

describe("the harness", () => {
  test("the same seed gives the same faults", () => {
    const draw = (seed: number) => {
      const random = new Random(seed);
      return Array.from({ length: 5 }, () => random.between(0, 999));
    };
    expect(draw(7)).toEqual(draw(7));
    expect(draw(7)).not.toEqual(draw(8));
  });

  test("kills a writer during its work, and finds the one with the bug", async () => {
    const seen = await runWriter(3, true);
    expect(seen.some((row) => row.outcome === "failed: ended by SIGKILL")).toBe(true);
    await expect(runWriter(3, false)).rejects.toThrow(
      /"every entry is complete" broken by kill .*PGSTEAD_FAULT_SEED=3/s,
    );
  });

  test("a write fails on a full disk, and succeeds after the disk was freed", () => {
    const disk = new SmallDisk(4);
    try {
      disk.fill(8192);
      const file = join(disk.folder, "data");
      expect(() => writeFileSync(file, Buffer.alloc(65_536))).toThrow(/ENOSPC/);
      disk.free();
      writeFileSync(file, Buffer.alloc(65_536));
    } finally {
      disk.close();
    }
    expect(existsSync(disk.folder)).toBe(false);
  });

  test("a cut line resets, a stalled one sends nothing, a restored one answers", async () => {
    const echo = createServer((socket) => socket.pipe(socket));
    await new Promise<void>((resolve) => echo.listen(0, "127.0.0.1", resolve));
    const line = await BreakableLine.to((echo.address() as { port: number }).port);
    const ask = (word: string) =>
      new Promise<string>((resolve) => {
        const child = spawn(
          "bash",
          [
            "-c",
            `exec 3<>/dev/tcp/127.0.0.1/${line.port} && echo ${word} >&3 && read -t 1 -u 3 line && echo $line`,
          ],
          { stdio: ["ignore", "pipe", "ignore"] },
        );
        let answer = "";
        child.stdout.on("data", (chunk) => {
          answer += chunk;
        });
        child.on("close", () => resolve(answer.trim()));
      });
    expect(await ask("one")).toBe("one");
    line.cut();
    expect(await ask("two")).toBe("");
    line.restore();
    line.stall();
    expect(await ask("three")).toBe("");
    line.restore();
    expect(await ask("four")).toBe("four");
    await line.close();
    echo.close();
  });

  test("S3 fails as injected: with an error, with a lost answer, with half an answer", async () => {
    const script = fileURLToPath(new URL("../fixture/s3", import.meta.url));
    const proxy = await FaultyS3.before(
      execFileSync(script, ["start"], { encoding: "utf8" }).trim(),
    );
    const credentials = { accessKeyId: "faults", secretAccessKey: "faults" };
    const s3 = new S3Client({
      endpoint: proxy.url,
      region: "us-east-1",
      forcePathStyle: true,
      maxAttempts: 1,
      credentials,
    });
    const put = (Key: string) =>
      s3.send(new PutObjectCommand({ Bucket: "faults", Key, Body: "x".repeat(4000) }));
    const get = async (Key: string) =>
      (await s3.send(new GetObjectCommand({ Bucket: "faults", Key }))).Body?.transformToString();
    await s3.send(new CreateBucketCommand({ Bucket: "faults" }));
    proxy.inject({ method: "PUT", path: /one/, times: 1, with: { status: 503, code: "SlowDown" } });
    await expect(put("one")).rejects.toMatchObject({ name: "SlowDown" });
    await put("one");
    proxy.inject({ method: "PUT", times: 1, with: "lost-answer" });
    await expect(put("two")).rejects.toThrow();
    expect(await get("two")).toHaveLength(4000);
    proxy.inject({ method: "GET", times: 1, with: "truncate" });
    await expect(get("one")).rejects.toThrow();
    proxy.inject({ times: 1, with: "reset" });
    await expect(get("one")).rejects.toThrow();
    expect(proxy.hits).toBe(4);
    proxy.clear();
    expect(await get("one")).toHaveLength(4000);
    await proxy.close();
  });

  test("the clock jumps while a program runs, and its timers go on", async () => {
    const clock = new Clock();
    const child = start("node", ["-e", "setInterval(() => console.log(Date.now()), 100)"], {
      env: { ...process.env, ...clock.environment },
      stdio: ["ignore", "pipe", "ignore"],
    });
    const ticks: number[] = [];
    createInterface({ input: child.stdout! }).on("line", (line) => ticks.push(Number(line)));
    const last = async () => {
      await new Promise((resolve) => setTimeout(resolve, 800));
      return Math.round((ticks.at(-1)! - Date.now()) / 3_600_000) + 0;
    };
    expect(await last()).toBe(0);
    clock.jump(24 * 3600);
    const before = ticks.length;
    expect(await last()).toBe(24);
    expect(ticks.length).toBeGreaterThan(before);
    clock.jump(-3 * 3600);
    expect(await last()).toBe(-3);
    kill(child);
    expect(await waitForExit(child)).toBe("SIGKILL");
    clock.close();
  });
});
