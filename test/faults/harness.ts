import { setTimeout as sleep } from "node:timers/promises";

import { Random } from "./harness/random.ts";

export { Clock } from "./harness/clock.ts";
export { SmallDisk } from "./harness/disk.ts";
export { ended, kill, killContainer, start } from "./harness/kill.ts";
export { Line, plugContainer, unplugContainer } from "./harness/network.ts";
export { Random } from "./harness/random.ts";
export { FaultyS3, type S3Fault } from "./harness/s3-errors.ts";

export interface Step<World> {
  name: string;
  /** May fail while a fault is on; must not hang. */
  run: (world: World) => Promise<void>;
  /** A fault strikes at a random moment of this many milliseconds from the step's start. @default 0 */
  windowMs?: number;
}

export interface Fault<World> {
  name: string;
  /** Makes the trouble and returns what ends it; a kill has nothing to end. */
  strike: (world: World, random: Random) => Promise<(() => Promise<void>) | undefined>;
}

export interface Invariant<World> {
  name: string;
  /** Throws when it does not hold. */
  check: (world: World) => Promise<void>;
}

export interface Scenario<World> {
  name: string;
  /** @default - PGSTEAD_FAULT_SEED, else 1 */
  seed?: number;
  /** How many times the steps are run, each time with one fault. @default 1 */
  rounds?: number;
  open: () => Promise<World>;
  close: (world: World) => Promise<void>;
  steps: Step<World>[];
  faults: Fault<World>[];
  /** What a person or a restart would do once the trouble is over, before the invariants are asked. */
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
 * Runs the steps again and again, strikes one of them each time with one of the faults at a random
 * moment, ends the trouble, lets the world recover and asks every invariant. The seed repeats it all.
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
        row.outcome = await underFault(world, step, fault, atMs, random);
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

async function underFault<World>(
  world: World,
  step: Step<World>,
  fault: Fault<World>,
  atMs: number,
  random: Random,
): Promise<string> {
  // At 0 the trouble is there before the step begins; later it comes in the middle.
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
