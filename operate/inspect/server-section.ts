import type { Settings } from "../settings.ts";
import type { Section } from "./section.ts";

export async function readServerSection(settings: Settings): Promise<Section> {
  const { host, port } = settings.database;
  if (!settings.embedded) {
    return { title: "server", state: "ok", lines: [`${host}:${port}`], data: { host, port } };
  }
  const { readServerState } = await import("../connect/embedded-state.ts");
  const server = readServerState(settings);
  if (!server.running) {
    const line = `not running; "pgstead up --stack ${settings.stack}" starts it`;
    return { title: "server", state: "down", lines: [line], data: { ...server } };
  }
  return {
    title: "server",
    state: "ok",
    lines: [`embedded, process ${server.pid} since ${server.since}`, `${host}:${port}`],
    data: { ...server },
  };
}
