import { beforeAll, expect, test } from "vitest";
import type { BackupSidecar as BackupSidecarType } from "../../components/server/sidecar.ts";
import { type Recorded, recordResources, urnOf } from "../support/recorder.ts";

let recorded: Recorded[];
let BackupSidecar: typeof BackupSidecarType;

beforeAll(async () => {
  recorded = await recordResources({
    "pgstead:index:BackupSidecar": () => ({}),
    "docker:index/container:Container": () => ({}),
  });
  ({ BackupSidecar } = await import("../../components/server/sidecar.ts"));
});

test("the agent is one container with few rights, a fixed name and a stop timeout", async () => {
  const sidecar = new BackupSidecar("agent", {
    agent: {
      image: "sha256:1a2b",
      volumes: { "/var/run/postgresql": "test-socket", "/var/lib/pgstead/backups": "test-backups" },
    },
    network: "test-network",
  });
  await urnOf(sidecar.nodes.container);
  expect(recorded.map(({ type, name }) => `${type} ${name}`)).toEqual([
    "pgstead:index:BackupSidecar agent",
    "docker:index/container:Container agent-container",
  ]);
  expect(recorded[1]?.replaceOnChanges).toEqual(["healthcheck", "tmpfs", "init"]);
  expect(recorded[1]?.inputs).toEqual({
    name: "test-agent",
    image: "sha256:1a2b",
    command: ["pgstead", "serve"],
    restart: "unless-stopped",
    init: true,
    wait: false,
    networksAdvanced: [{ name: "test-network" }],
    volumes: [
      { containerPath: "/var/run/postgresql", volumeName: "test-socket" },
      { containerPath: "/var/lib/pgstead/backups", volumeName: "test-backups" },
    ],
    readOnly: true,
    tmpfs: { "/tmp": "size=64m,mode=1777", "/var/lib/postgresql": "size=1m" },
    capabilities: { drops: ["ALL"] },
    securityOpts: ["no-new-privileges:true"],
    memory: 1152,
    memorySwap: 1152,
    shmSize: 640,
    healthcheck: {
      tests: ["CMD", "pgstead", "serve", "--healthy"],
      interval: "1m0s",
      timeout: "10s",
      retries: 3,
      startPeriod: "1m0s",
    },
    stopTimeout: 60,
    destroyGraceSeconds: 60,
    logDriver: "json-file",
    logOpts: { "max-size": "10m", "max-file": "3" },
    labels: [
      { label: "pgstead.project", value: "pgstead" },
      { label: "pgstead.stack", value: "test" },
    ],
  });
});
