/*
 * Prints what /proc shows of each process of this machine, one JSON line for each that is new, until its
 * stdin ends. A process of its own, because a test is blocked while it waits for a command.
 */
const { readdirSync, readFileSync } = require("node:fs");

const seen = new Set();
const read = (pid, name) => readFileSync(`/proc/${pid}/${name}`, "latin1");

function look() {
  for (const pid of readdirSync("/proc")) {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) continue;
    try {
      const [command, environment] = [read(pid, "cmdline"), read(pid, "environ")];
      const key = `${command}\n${environment}`;
      if (command === "" || seen.has(key)) continue;
      seen.add(key);
      const inContainer = read(pid, "cgroup").includes("docker");
      process.stdout.write(`${JSON.stringify({ command, environment, inContainer })}\n`);
    } catch {
      // The process has ended.
    }
  }
}

setInterval(look, 25);
process.stdin.on("end", () => process.exit()).resume();
look();
