import { readFileSync } from "node:fs";
import type { BackupSettings } from "../settings.ts";
import type { Health } from "./health.ts";
import { readState, updateState } from "./state.ts";

const TIMEOUT_MS = 10_000;
const RETRY_MS = 60_000;

/** Sends changes to the webhook, one message a failure and one a recovery, and proofs to the ping. */
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

  async notify(health: Health, now = Date.now()): Promise<void> {
    if (now < this.notBefore) return;
    const results = await Promise.allSettled([this.callWebhook(health), this.ping(health)]);
    for (const result of results) {
      if (result.status === "fulfilled") continue;
      // The address is not logged: it may hold a secret.
      this.log(`could not notify: ${(result.reason as Error).message}`);
      this.notBefore = now + RETRY_MS;
    }
  }

  private async callWebhook({ problems, proven }: Health): Promise<void> {
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
    updateState(folder, { alarm: failing ? { since: at } : null });
  }

  /** A dead man's switch: it is called once for each proven backup, and at no other time. */
  private async ping({ proven }: Health): Promise<void> {
    const { pingFile, folder } = this.backups;
    if (!pingFile || !proven || readState(folder).pinged === proven.verifiedAt) return;
    await send("ping", pingFile, { method: "GET" });
    updateState(folder, { pinged: proven.verifiedAt });
  }
}

async function send(what: string, addressFile: string, request: RequestInit): Promise<void> {
  const address = readFileSync(addressFile, "utf8").trim();
  try {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const { ok, status } = await fetch(address, { ...request, signal });
    if (!ok) throw new Error(`the server answered ${status}`);
  } catch (error) {
    const cause = (error as { cause?: { code?: string } }).cause?.code;
    throw new Error(`${what}: ${cause ?? (error as Error).message}`);
  }
}
