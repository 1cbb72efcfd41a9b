import type { Field, Fields } from "../base/fields.ts";
import { labelsField } from "./labels.ts";

const replace: Field = { replace: true };
const computedReplace: Field = { replace: true, computed: true };
const replacedSet: Field = { kind: "set", replace: true };
const replacedMap: Field = { kind: "map", replace: true };
const zeroSeconds: Field = { default: "0s" };

const capabilities: Fields = { adds: replacedSet, drops: replacedSet };

const mounts: Fields = {
  target: { required: true },
  source: {},
  type: { required: true },
  readOnly: {},
  bindOptions: { kind: "block", item: { propagation: {} } },
  volumeOptions: {
    kind: "block",
    item: {
      noCopy: {},
      labels: { kind: "set", item: { label: {}, value: {} } },
      driverName: {},
      driverOptions: { kind: "map" },
      subpath: {},
    },
  },
  tmpfsOptions: { kind: "block", item: { sizeBytes: {}, mode: {} } },
};

const ports: Fields = {
  internal: { required: true },
  external: { computed: true },
  ip: { default: "0.0.0.0" },
  protocol: { default: "tcp" },
};

const uploads: Fields = {
  content: {},
  contentBase64: {},
  file: { required: true },
  executable: {},
  permissions: {},
  source: {},
  sourceHash: {},
  owner: {},
  group: {},
};

/**
 * What a change of each property does. Without `replace` it is an update. An update sends only some
 * properties to the engine (memory, restart and similar ones). The others, such as `healthcheck`, `tmpfs`
 * and `init`, change only in the state. The official plugin does the same.
 */
export const containerFields: Fields = {
  name: { autoname: true, replace: true },
  image: { required: true, replace: true },
  attach: {},
  capabilities: { kind: "block", replace: true, item: capabilities },
  cgroupParent: replace,
  cgroupnsMode: replace,
  command: { kind: "list", replace: true, computed: true },
  containerReadRefreshTimeoutMilliseconds: { default: 15000 },
  cpuPeriod: {},
  cpuQuota: {},
  cpuSet: {},
  cpuShares: {},
  cpus: replace,
  destroyGraceSeconds: {},
  dns: replacedSet,
  dnsOpts: replacedSet,
  dnsSearches: replacedSet,
  domainname: replace,
  entrypoints: { kind: "list", replace: true, computed: true },
  envs: { kind: "set", replace: true, computed: true },
  groupAdds: replacedSet,
  healthcheck: {
    kind: "block",
    computed: true,
    item: {
      tests: { kind: "list" },
      interval: zeroSeconds,
      timeout: zeroSeconds,
      startPeriod: zeroSeconds,
      startInterval: zeroSeconds,
      retries: {},
    },
  },
  hostname: computedReplace,
  hosts: { kind: "set", replace: true, item: { host: { required: true }, ip: { required: true } } },
  init: { computed: true },
  ipcMode: computedReplace,
  labels: { ...labelsField, computed: true },
  logDriver: computedReplace,
  logOpts: replacedMap,
  logs: {},
  maxRetryCount: {},
  memory: {},
  memoryReservation: {},
  memorySwap: {},
  mounts: { kind: "set", replace: true, item: mounts },
  mustRun: { default: true },
  networkMode: { default: "bridge", replace: true },
  networksAdvanced: {
    kind: "set",
    replace: true,
    item: {
      name: { required: true },
      aliases: { kind: "set" },
      ipv4Address: {},
      ipv6Address: {},
      linkLocalIps: { kind: "set" },
      macAddress: {},
    },
  },
  pidMode: replace,
  platform: replace,
  ports: { kind: "list", replace: true, item: ports },
  privileged: replace,
  publishAllPorts: replace,
  readOnly: { replace: true },
  removeVolumes: { default: true },
  restart: { default: "no" },
  rm: {},
  runtime: computedReplace,
  securityOpts: { kind: "set", replace: true, computed: true },
  shmSize: computedReplace,
  start: { default: true },
  stdinOpen: { replace: true },
  stopSignal: computedReplace,
  stopTimeout: computedReplace,
  storageOpts: replacedMap,
  sysctls: replacedMap,
  tmpfs: { kind: "map" },
  tty: { replace: true },
  ulimits: {
    kind: "set",
    replace: true,
    computed: true,
    item: { name: { required: true }, soft: { required: true }, hard: { required: true } },
  },
  uploads: { kind: "set", replace: true, item: uploads },
  // An empty user or folder means the image's default, so it is not a change.
  user: computedReplace,
  usernsMode: replace,
  volumes: {
    kind: "set",
    replace: true,
    item: {
      containerPath: {},
      fromContainer: {},
      hostPath: {},
      readOnly: {},
      selinuxRelabel: {},
      volumeName: {},
    },
  },
  wait: {},
  waitTimeout: { default: 60 },
  workingDir: computedReplace,
};
