import { ExpectedError } from "../../operate/error.ts";
import { applyPending } from "../../operate/migrate/run/apply-pending.ts";
import type { Resolution } from "../../operate/migrate/run/unit-run.ts";
import { requestStop } from "../../operate/stop.ts";

/** Runs `migrate up` for tests that stop or kill it. The arguments are settings as JSON and a resolution. */
const [settings = "", resolution] = process.argv.slice(2);
const options = { toolVersion: "test", waitMs: 30_000, lockWaitMs: 20_000 };

process.on("SIGINT", () => requestStop("SIGINT"));

applyPending(JSON.parse(settings), {
  ...options,
  ...(resolution && { resolution: resolution as Resolution }),
}).catch((error) => {
  console.error(error);
  process.exitCode = error instanceof ExpectedError ? error.exitCode : 70;
});
