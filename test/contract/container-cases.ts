import type * as docker from "@pulumi/docker";
import { freePort } from "../support/free-port.ts";

export const NAME = "pgc-box";
const published = await freePort();

export const IMAGE = "pgstead-fixture/postgres:18-trixie";

// biome-ignore lint/suspicious/noExplicitAny: docker's inspect answer.
type Inspect = any;
export type Args = Partial<docker.ContainerArgs>;

export const base: Args = {
  image: IMAGE,
  name: NAME,
  command: ["sleep", "infinity"],
  entrypoints: ["tini", "--"],
  destroyGraceSeconds: 5,
  labels: [{ label: "stack", value: "contract" }],
  memory: 256,
  memorySwap: 256,
  healthcheck: { tests: ["CMD", "true"], interval: "1s", timeout: "1s", retries: 3 },
  capabilities: { drops: ["CAP_NET_RAW"] },
};

export interface Case {
  change: string;
  args: Args;
  engine: "update" | "replace" | "same";
  /** Reads the property of the real container. */
  look: (found: Inspect) => unknown;
  /** The value that it must have after the change. */
  becomes: unknown;
}

/** Each case adds to the ones before it. The last shows that all of them together cause no further change. */
export const cases: Case[] = [
  { change: "nothing", args: {}, engine: "same", look: (c) => c.Name, becomes: `/${NAME}` },
  {
    change: "memory",
    args: { memory: 300, memorySwap: 300 },
    engine: "update",
    look: (c) => c.HostConfig.Memory,
    becomes: 300 << 20,
  },
  {
    change: "restart",
    args: { restart: "unless-stopped" },
    engine: "update",
    look: (c) => c.HostConfig.RestartPolicy.Name,
    becomes: "unless-stopped",
  },
  {
    change: "healthcheck",
    args: { healthcheck: { tests: ["CMD", "true"], interval: "2s", timeout: "1s", retries: 3 } },
    engine: "update",
    look: (c) => c.Config.Healthcheck.Interval,
    becomes: 1e9,
  },
  {
    change: "tmpfs",
    args: { tmpfs: { "/scratch": "size=8m" } },
    engine: "update",
    look: (c) => c.HostConfig.Tmpfs ?? null,
    becomes: null,
  },
  {
    change: "init",
    args: { init: true },
    engine: "update",
    look: (c) => c.HostConfig.Init,
    becomes: false,
  },
  {
    change: "destroyGraceSeconds",
    args: { destroyGraceSeconds: 4 },
    engine: "update",
    look: (c) => c.Name,
    becomes: `/${NAME}`,
  },
  {
    change: "stopTimeout",
    args: { stopTimeout: 7 },
    engine: "replace",
    look: (c) => c.Config.StopTimeout,
    becomes: 7,
  },
  {
    change: "shmSize",
    args: { shmSize: 96 },
    engine: "replace",
    look: (c) => c.HostConfig.ShmSize,
    becomes: 96 << 20,
  },
  {
    change: "logOpts",
    args: { logDriver: "json-file", logOpts: { "max-size": "1m" } },
    engine: "replace",
    look: (c) => c.HostConfig.LogConfig.Config["max-size"],
    becomes: "1m",
  },
  {
    change: "labels",
    args: { labels: [{ label: "stack", value: "other" }] },
    engine: "replace",
    look: (c) => c.Config.Labels.stack,
    becomes: "other",
  },
  {
    change: "envs",
    args: { envs: ["A=1"] },
    engine: "replace",
    look: (c) => c.Config.Env.includes("A=1"),
    becomes: true,
  },
  {
    change: "envs in another order",
    args: { envs: ["B=2", "A=1"] },
    engine: "replace",
    look: (c) => c.Config.Env.includes("B=2"),
    becomes: true,
  },
  {
    change: "capabilities",
    args: { capabilities: { drops: ["CAP_NET_RAW", "CAP_MKNOD"] } },
    engine: "replace",
    look: (c) => c.HostConfig.CapDrop.length,
    becomes: 2,
  },
  {
    change: "readOnly",
    args: { readOnly: true },
    engine: "replace",
    look: (c) => c.HostConfig.ReadonlyRootfs,
    becomes: true,
  },
  {
    change: "securityOpts",
    args: { securityOpts: ["no-new-privileges:true"] },
    engine: "replace",
    look: (c) => c.HostConfig.SecurityOpt?.[0],
    becomes: "no-new-privileges:true",
  },
  {
    change: "user",
    args: { user: "999:999" },
    engine: "replace",
    look: (c) => c.Config.User,
    becomes: "999:999",
  },
  {
    change: "ports",
    args: { ports: [{ internal: 5432, external: published, ip: "127.0.0.1" }] },
    engine: "replace",
    look: (c) => c.HostConfig.PortBindings?.["5432/tcp"]?.[0]?.HostPort,
    becomes: String(published),
  },
  {
    change: "volumes",
    args: { volumes: [{ volumeName: "pgc-data", containerPath: "/data" }] },
    engine: "replace",
    look: (c) => c.HostConfig.Binds?.[0],
    becomes: "pgc-data:/data:rw",
  },
  {
    change: "mounts",
    args: { volumes: [], mounts: [{ type: "volume", source: "pgc-data", target: "/data" }] },
    engine: "replace",
    look: (c) => c.HostConfig.Mounts?.[0]?.Source,
    becomes: "pgc-data",
  },
  {
    change: "nothing, with all of these",
    args: {},
    engine: "same",
    look: (c) => c.Name,
    becomes: `/${NAME}`,
  },
];
