import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { createServer } from "node:net";

/** The process that listens on a port of this machine, if this user may see it. */
export function describePortHolder(port: number): string {
  const inode = findListeningInode(port);
  const pid = inode && findSocketOwner(inode);
  if (!pid) return "another process";
  return `process ${pid} (${readCommand(pid)})`;
}

export async function findFreePort(port: number): Promise<number> {
  for (let candidate = port + 1; candidate < 65536; candidate++) {
    if (await isPortFree(candidate)) return candidate;
  }
  return 0;
}

export function isPortFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => resolve(false));
    probe.listen(port, "127.0.0.1", () => probe.close(() => resolve(true)));
  });
}

function findListeningInode(port: number): string | undefined {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  for (const table of ["/proc/net/tcp", "/proc/net/tcp6"]) {
    for (const line of readLines(table)) {
      // Columns: sl local_address rem_address st ... uid timeout inode. State 0A is LISTEN.
      const field = line.trim().split(/\s+/);
      if (field[1]?.endsWith(suffix) && field[3] === "0A") return field[9];
    }
  }
  return undefined;
}

function readLines(file: string): string[] {
  try {
    return readFileSync(file, "utf8").split("\n");
  } catch {
    return [];
  }
}

function findSocketOwner(inode: string): string | undefined {
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const owns = readdirSync(`/proc/${pid}/fd`).some(
        (fd) => readlinkSync(`/proc/${pid}/fd/${fd}`) === `socket:[${inode}]`,
      );
      if (owns) return pid;
    } catch {
      // Another user's process, or one that has ended.
    }
  }
  return undefined;
}

const readCommand = (pid: string) =>
  readLines(`/proc/${pid}/cmdline`).join(" ").split("\0").slice(0, 3).join(" ").trim() || "unknown";
