import { statfsSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { Gauge, Registry } from "prom-client";
import type { BackupSettings } from "../settings.ts";
import { computeMaxAgeHours, type Health, readHealth } from "./health.ts";
import { readState } from "./state.ts";

/** For Prometheus and health checks on the stack's own network. What is wrong here stops no backup. */
export function serveMetrics(
  stack: string,
  backups: BackupSettings,
  log: (line: string) => void,
): Server {
  const server = createServer(async ({ url }, response) => {
    try {
      const health = readHealth(backups, readState(backups.folder));
      if (url === "/healthz") {
        const { fresh, problems } = health;
        response.writeHead(fresh ? 200 : 503, { "content-type": "application/json" });
        response.end(`${JSON.stringify({ status: fresh ? "ok" : "stale", problems })}\n`);
      } else if (url === "/metrics") {
        const registry = readMetrics(stack, backups, health);
        response.writeHead(200, { "content-type": registry.contentType });
        response.end(await registry.metrics());
      } else {
        response.writeHead(404).end("/metrics or /healthz\n");
      }
    } catch (error) {
      response.writeHead(500).end(`${(error as Error).message}\n`);
    }
  });
  server.on("error", (error) => log(`no metrics: ${error.message}`));
  server.listen(backups.metricsPort);
  return server;
}

/** Read when asked for: what the folder and the state say now. */
export function readMetrics(stack: string, backups: BackupSettings, health: Health): Registry {
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
    "Moment that the newest good backup brings back",
    seconds(newest?.startedAt),
  );
  gauge("newest_size_bytes", "Size of its dump", newest?.dump.size);
  gauge("dump_seconds", "How long it took to take", newest && newest.durationMs / 1000);
  gauge(
    "proven_timestamp_seconds",
    "Moment that the newest proven backup brings back (RPO)",
    seconds(proven?.restorableTo),
  );
  gauge("proven_restore_seconds", "How long it took to restore (RTO)", proven?.restoreSeconds);
  gauge(
    "proven_max_age_seconds",
    "Age at which the newest proven backup is too old",
    computeMaxAgeHours(backups, new Date()) * 3600,
  );
  gauge("healthy", "1 while the newest proven backup is young enough", Number(health.fresh));
  gauge("problems", "What somebody should look at", health.problems.length);
  gauge("run_failures", "Tries in a row that failed", failures);
  gauge("last_run_timestamp_seconds", "When the last run ended", seconds(last?.finishedAt));
  gauge("local_copies", "Copies on the backup volume", health.copies);
  gauge("local_bytes", "What their dumps take", health.bytes);
  gauge("volume_free_bytes", "Room on the backup volume", bavail * bsize);
  return registry;
}
