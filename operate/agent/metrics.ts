import { statfsSync } from "node:fs";
import { createServer, type Server, type ServerResponse } from "node:http";
import { Gauge, Registry } from "prom-client";
import type { BackupSettings } from "../settings.ts";
import { computeMaxAgeHours, type Health, readHealth } from "./health.ts";
import { readState } from "./state.ts";

/** For Prometheus and health checks on the stack's network. An error here does not stop the backups. */
export function serveMetrics(
  stack: string,
  readBackups: () => BackupSettings,
  log: (line: string) => void,
  readTrouble: () => string | undefined,
): Server {
  const server = createServer(async ({ url }, response) => {
    try {
      await respond(url, response, stack, readBackups(), readTrouble());
    } catch (error) {
      const { message } = error as Error;
      if (url === "/healthz") sendHealth(response, { fresh: false, problems: [message] });
      else response.writeHead(500).end(`${message}\n`);
    }
  });
  server.on("error", (error) => log(`no metrics: ${error.message}`));
  server.listen(readBackups().metricsPort);
  return server;
}

async function respond(
  url: string | undefined,
  response: ServerResponse,
  stack: string,
  backups: BackupSettings,
  trouble: string | undefined,
): Promise<void> {
  const health = readHealth(backups, readState(backups.folder), new Date(), trouble);
  if (url === "/healthz") sendHealth(response, health);
  else if (url === "/metrics") {
    const registry = collectMetrics(stack, backups, health);
    response.writeHead(200, { "content-type": registry.contentType });
    response.end(await registry.metrics());
  } else {
    response.writeHead(404).end("/metrics or /healthz\n");
  }
}

function sendHealth(
  response: ServerResponse,
  { fresh, problems }: Pick<Health, "fresh" | "problems">,
) {
  response.writeHead(fresh ? 200 : 503, { "content-type": "application/json" });
  response.end(`${JSON.stringify({ status: fresh ? "ok" : "stale", problems })}\n`);
}

function collectMetrics(stack: string, backups: BackupSettings, health: Health): Registry {
  const registry = new Registry();
  registry.setDefaultLabels({ stack });
  const gauge = (name: string, help: string, value: number | undefined) => {
    if (value === undefined) return;
    new Gauge({ name: `pgstead_backup_${name}`, help, registers: [registry] }).set(value);
  };
  const seconds = (time: string | undefined) => (time ? Date.parse(time) / 1000 : undefined);
  const { newest, proven } = health;
  const { failures, last } = readState(backups.folder);
  const { bavail, bsize } = statfsSync(backups.folder);
  gauge(
    "newest_timestamp_seconds",
    "Time of the data in the newest good backup",
    seconds(newest?.startedAt),
  );
  gauge("newest_size_bytes", "Size of the newest good dump", newest?.dump.size);
  gauge("dump_seconds", "Duration of the newest good dump", newest && newest.durationMs / 1000);
  gauge(
    "proven_timestamp_seconds",
    "Time of the data in the newest proven backup (RPO)",
    seconds(proven?.restorableTo),
  );
  gauge(
    "proven_restore_seconds",
    "Duration of the newest proven restore (RTO)",
    proven?.restoreSeconds,
  );
  gauge(
    "proven_max_age_seconds",
    "Largest allowed age of the newest proven backup",
    computeMaxAgeHours(backups, new Date()) * 3600,
  );
  gauge(
    "healthy",
    "1 if the newest proven backup is not too old and the schedule works",
    Number(health.fresh),
  );
  gauge("problems", "Number of problems that a person should look at", health.problems.length);
  gauge("run_failures", "Failed attempts since the last success", failures);
  gauge(
    "last_run_timestamp_seconds",
    "Time at which the last run ended",
    seconds(last?.finishedAt),
  );
  gauge("local_copies", "Number of copies on the backup volume", health.copies);
  gauge("local_bytes", "Size of the dumps on the backup volume", health.bytes);
  gauge("volume_free_bytes", "Free space on the backup volume", bavail * bsize);
  return registry;
}
