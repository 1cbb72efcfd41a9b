import { readFileSync } from "node:fs";
import type { BackupSettings } from "../settings.ts";
import type { Health } from "./health.ts";
import { readState, type State, writeState } from "./state.ts";

const TIMEOUT_MS = 10_000;
const AGAIN_MS = 60_000;

/** Tells the world outside what changed: once that something is wrong, once that it is right again. */
export class Notifier {
  private readonly stack: string;
  private readonly backups: BackupSettings;
  private readonly log: (line: string) => void;
  private notBefore = 0;

  constructor(stack: string, backups: BackupSettings, log: (line: string) => void) {
    this.stack = stack;
    this.backups = backups;
    this.log = log;
  }

  async tell(health: Health, now = Date.now()): Promise<void> {
    if (now < this.notBefore) return;
    const told = await Promise.allSettled([this.webhook(health), this.ping(health)]);
    for (const one of told) {
      if (one.status === "fulfilled") continue;
      // The address may hold a secret; the reason does not.
      this.log(`could not tell: ${(one.reason as Error).message}`);
      this.notBefore = now + AGAIN_MS;
    }
  }

  private async webhook({ problems, proven }: Health): Promise<void> {
    const { webhookFile, folder } = this.backups;
    const { alarm } = readState(folder);
    const failing = problems.length > 0;
    if (!webhookFile || failing === (alarm !== null)) return;
    const at = new Date().toISOString();
    const status = failing ? "failing" : "recovered";
    await send("webhook", webhookFile, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        ...{ stack: this.stack, status, problems, at, since: alarm?.since ?? at },
        newestProven: proven ? { id: proven.id, restorableTo: proven.restorableTo } : null,
      }),
    });
    this.write({ alarm: failing ? { since: at } : null });
  }

  /** A dead man's switch: only a backup that was proven says that we live. */
  private async ping({ proven }: Health): Promise<void> {
    const { pingFile, folder } = this.backups;
    if (!pingFile || !proven || readState(folder).pinged === proven.verifiedAt) return;
    await send("ping", pingFile, { method: "GET" });
    this.write({ pinged: proven.verifiedAt });
  }

  private write(change: Partial<State>): void {
    const { folder } = this.backups;
    writeState(folder, { ...readState(folder), ...change });
  }
}

async function send(what: string, addressFile: string, request: RequestInit): Promise<void> {
  const address = readFileSync(addressFile, "utf8").trim();
  try {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const { ok, status } = await fetch(address, { ...request, signal });
    if (!ok) throw new Error(`it answered ${status}`);
  } catch (error) {
    const cause = (error as { cause?: { code?: string } }).cause?.code;
    throw new Error(`${what}: ${cause ?? (error as Error).message}`);
  }
}
