import { setTimeout as sleep } from "node:timers/promises";

/** Against hanging, not against being slow: a busy machine must not turn a test red. */
const LIMIT = 300_000;

/** Waits until the condition holds; the error names it, and adds what `describe` returns. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  describe: () => unknown = () => "",
): Promise<void> {
  const end = Date.now() + LIMIT;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`waited in vain for ${condition}\n${describe()}`);
    await sleep(50);
  }
}
