import { spawnSync } from "node:child_process";

export interface Run {
  command: string[];
  env?: Record<string, string>;
  /** Runs before each run and is not timed. */
  prepare?: () => Promise<void>;
}

export interface Measured {
  /** The median of the runs. */
  seconds: number;
  best: number;
  peakMegabytes: number;
}

/** Runs whole processes in turns, so that load from other programs affects all of them equally. */
export async function measure(
  runs: Record<string, Run>,
  times: number,
): Promise<Record<string, Measured>> {
  const taken: Record<string, { seconds: number; megabytes: number }[]> = {};
  for (let i = 0; i < times; i++) {
    for (const [name, run] of Object.entries(runs)) {
      await run.prepare?.();
      taken[name] = [...(taken[name] ?? []), runOnce(name, run)];
    }
  }
  return Object.fromEntries(
    Object.entries(taken).map(([name, all]) => {
      const seconds = all.map((one) => one.seconds).sort((a, b) => a - b);
      return [
        name,
        {
          seconds: seconds[Math.floor(seconds.length / 2)] as number,
          best: seconds[0] as number,
          peakMegabytes: Math.max(...all.map(({ megabytes }) => megabytes)),
        },
      ];
    }),
  );
}

/** Runs one process. The kernel reports the peak memory of children to the process that started them. */
function runOnce(name: string, { command, env }: Run): { seconds: number; megabytes: number } {
  const started = performance.now();
  const program = [
    "import resource, subprocess, sys",
    "code = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL)",
    "sys.stdout.write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))",
    "sys.exit(code)",
  ].join("\n");
  const memory = process.env.BENCH_MEMORY === "1";
  const [file = "", ...args] = memory ? ["python3", "-c", program, ...command] : command;
  const result = spawnSync(file, args, {
    env: { ...process.env, ...env },
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    maxBuffer: 1 << 28,
  });
  const seconds = (performance.now() - started) / 1000;
  if (result.status !== 0) throw new Error(`${name} ended with ${result.status}: ${result.stderr}`);
  return { seconds, megabytes: memory ? Number(result.stdout) / 1024 : 0 };
}
