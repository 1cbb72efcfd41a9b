import { setTimeout as sleep } from "node:timers/promises";

import { Random } from "./harness/random.ts";

export { Clock } from "./harness/clock.ts";
export { SmallDisk } from "./harness/disk.ts";
export { kill, killContainer, start, waitForExit } from "./harness/kill.ts";
export { BreakableLine, plugContainer, unplugContainer } from "./harness/network.ts";
export { Random } from "./harness/random.ts";
export { FaultyS3, type S3Fault } from "./harness/s3-errors.ts";

export interface Step<World> {
  name: string;
  /** May fail during a fault, but must not hang. */
  run: (world: World) => Promise<void>;
  /** The fault starts at a random moment in this many milliseconds after the step's start. @default 0 */
  windowMs?: number;
}

export interface Fault<World> {
  name: string;
  /** Starts the fault and returns a function that ends it, or undefined for a kill. */
  strike: (world: World, random: Random) => Promise<(() => Promise<void>) | undefined>;
}

export interface Invariant<World> {
  name: string;
  /** Throws if the invariant is broken. */
  check: (world: World) => Promise<void>;
}

export interface Scenario<World> {
  name: string;
  /** Seed of the random numbers. @default - PGSTEAD_FAULT_SEED, else 1 */
  seed?: number;
  /** How often the steps run, each time with one fault. @default 1 */
  rounds?: number;
  open: () => Promise<World>;
  close: (world: World) => Promise<void>;
  steps: Step<World>[];
  faults: Fault<World>[];
  /** Does what a person or a restart does after the fault, before the invariants are checked. */
  recover?: (world: World) => Promise<void>;
  invariants: Invariant<World>[];
}

export interface Seen {
  round: number;
  fault: string;
  step: string;
  atMs: number;
  /** How the step under the fault ended. */
  outcome: string;
}

/**
 * Runs the steps in rounds. Each round starts one fault at a random moment of one step, ends the fault,
 * recovers and checks every invariant. The same seed repeats the same faults.
 */
export async function runScenario<World>(scenario: Scenario<World>): Promise<Seen[]> {
  const seed = scenario.seed ?? Number(process.env.PGSTEAD_FAULT_SEED ?? 1);
  const random = new Random(seed);
  const seen: Seen[] = [];
  const world = await scenario.open();
  try {
    for (let round = 1; round <= (scenario.rounds ?? 1); round++) {
      const target = random.pick(scenario.steps);
      const fault = random.pick(scenario.faults);
      const atMs = random.between(0, target.windowMs ?? 0);
      const row: Seen = { round, fault: fault.name, step: target.name, atMs, outcome: "fine" };
      seen.push(row);
      for (const step of scenario.steps) {
        if (step !== target) {
          await step.run(world);
          continue;
        }
        row.outcome = await runWithFault(world, step, fault, atMs, random);
      }
      await scenario.recover?.(world);
      for (const invariant of scenario.invariants) {
        await invariant.check(world).catch((error) => {
          const where = `${fault.name} at ${atMs} ms of "${target.name}" (${row.outcome})`;
          const again = `round ${round} of seed ${seed}: PGSTEAD_FAULT_SEED=${seed} repeats it`;
          throw new Error(
            `${scenario.name}: "${invariant.name}" broken by ${where}: ${error.message}\n${again}`,
          );
        });
      }
    }
  } finally {
    await scenario.close(world);
  }
  return seen;
}

async function runWithFault<World>(
  world: World,
  step: Step<World>,
  fault: Fault<World>,
  atMs: number,
  random: Random,
): Promise<string> {
  // At 0 ms the fault starts before the step, else during the step.
  const early = atMs === 0 ? await fault.strike(world, random) : undefined;
  const running = step.run(world).then(
    () => "fine",
    (error) => `failed: ${error instanceof Error ? error.message.split("\n")[0] : error}`,
  );
  if (atMs > 0) await sleep(atMs);
  const end = atMs > 0 ? await fault.strike(world, random) : early;
  const outcome = await running;
  await end?.();
  return outcome;
}
