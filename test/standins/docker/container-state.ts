import { list, objects, type Properties, text } from "../base/properties.ts";
import { fromDuration } from "./duration.ts";

const MIB = 1024 * 1024;

// biome-ignore lint/suspicious/noExplicitAny: the engine's inspect answer.
type Inspect = any;

function mebibytes(bytes: number): number {
  return bytes > 0 ? Math.floor(bytes / MIB) : bytes;
}

function boundPorts(found: Inspect): Properties[] {
  const result: Properties[] = [];
  const keys = Object.keys(found.NetworkSettings.Ports ?? {});
  for (const key of keys.sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10))) {
    const [internal, protocol] = key.split("/");
    for (const binding of found.NetworkSettings.Ports[key] ?? []) {
      result.push({
        internal: Number(internal),
        external: Number(binding.HostPort),
        ip: binding.HostIp,
        protocol: protocol!,
      });
    }
  }
  return result;
}

function networks(found: Inspect): Properties[] {
  return Object.entries<Inspect>(found.NetworkSettings.Networks ?? {}).map(([name, each]) => ({
    networkName: name,
    ipAddress: each.IPAddress,
    ipPrefixLength: each.IPPrefixLen,
    gateway: each.Gateway,
    globalIpv6Address: each.GlobalIPv6Address,
    globalIpv6PrefixLength: each.GlobalIPv6PrefixLen,
    ipv6Gateway: each.IPv6Gateway,
    macAddress: each.MacAddress,
  }));
}

function mounts(found: Inspect): Properties[] {
  return ((found.HostConfig.Mounts ?? []) as Inspect[]).map((each) => ({
    target: each.Target,
    source: each.Source ?? "",
    type: each.Type,
    readOnly: each.ReadOnly ?? false,
    ...(each.BindOptions && { bindOptions: { propagation: each.BindOptions.Propagation ?? "" } }),
    ...(each.TmpfsOptions && {
      tmpfsOptions: {
        sizeBytes: each.TmpfsOptions.SizeBytes ?? 0,
        mode: each.TmpfsOptions.Mode ?? 0,
      },
    }),
  }));
}

/**
 * Reads the same properties from the engine as the official plugin. It does not read labels, environment,
 * uploads and networks, so a refresh does not show when somebody changes those by hand.
 */
export function toState(found: Inspect, state: Properties): Properties {
  const { Config: config, HostConfig: host } = found;
  const result: Properties = {
    bridge: found.NetworkSettings.Bridge ?? "",
    networkDatas: networks(found),
    name: found.Name.replace(/^\//, ""),
    rm: host.AutoRemove,
    readOnly: host.ReadonlyRootfs,
    image: text(state.image).startsWith("sha256:") ? found.Image : config.Image,
    hostname: config.Hostname,
    domainname: config.Domainname,
    command: config.Cmd ?? [],
    entrypoints: config.Entrypoint ?? [],
    user: config.User,
    dns: host.Dns ?? [],
    dnsOpts: host.DnsOptions ?? [],
    dnsSearches: host.DnsSearch ?? [],
    securityOpts: host.SecurityOpt ?? [],
    publishAllPorts: host.PublishAllPorts,
    restart: host.RestartPolicy.Name,
    maxRetryCount: host.RestartPolicy.MaximumRetryCount,
    init: host.Init ?? false,
    workingDir: config.WorkingDir,
    runtime: host.Runtime,
    mounts: mounts(found),
    tmpfs: host.Tmpfs ?? {},
    hosts: list(host.ExtraHosts).map((each) => {
      const [name, ip] = text(each).split(":");
      return { host: name!, ip: ip! };
    }),
    privileged: host.Privileged,
    memory: mebibytes(host.Memory),
    memoryReservation: mebibytes(host.MemoryReservation),
    memorySwap: mebibytes(host.MemorySwap),
    shmSize: mebibytes(host.ShmSize),
    cpuShares: host.CpuShares,
    cpuSet: host.CpusetCpus,
    logDriver: host.LogConfig.Type,
    logOpts: state.logOpts ? (host.LogConfig.Config ?? {}) : {},
    storageOpts: host.StorageOpt ?? {},
    networkMode: host.NetworkMode,
    usernsMode: host.UsernsMode,
    sysctls: host.Sysctls ?? {},
    ipcMode: host.IpcMode,
    groupAdds: host.GroupAdd ?? [],
    tty: config.Tty,
    stdinOpen: config.OpenStdin,
    stopSignal: config.StopSignal ?? "",
    stopTimeout: config.StopTimeout ?? 0,
    exitCode: found.State.ExitCode,
  };
  if (objects(state.ulimits).length > 0) {
    result.ulimits = ((host.Ulimits ?? []) as Inspect[]).map((each) => ({
      name: each.Name,
      soft: each.Soft,
      hard: each.Hard,
    }));
  }
  if (host.CapAdd?.length || host.CapDrop?.length) {
    // The engine returns names with CAP_. A program without CAP_ shows a change at every preview.
    result.capabilities = { adds: host.CapAdd ?? [], drops: host.CapDrop ?? [] };
  }
  if (host.NanoCpus > 0) result.cpus = renderCpus(host.NanoCpus);
  if (config.Healthcheck) {
    result.healthcheck = {
      tests: config.Healthcheck.Test ?? [],
      interval: fromDuration(config.Healthcheck.Interval ?? 0),
      timeout: fromDuration(config.Healthcheck.Timeout ?? 0),
      startPeriod: fromDuration(config.Healthcheck.StartPeriod ?? 0),
      startInterval: fromDuration(config.Healthcheck.StartInterval ?? 0),
      retries: config.Healthcheck.Retries ?? 0,
    };
  }
  const mustRun = state.mustRun ?? true;
  if ((found.State.Running || mustRun) && objects(state.ports).length > 0) {
    result.ports = boundPorts(found);
  }
  // A stopped container is drift, and the next update starts it.
  if (!found.State.Running && mustRun) result.mustRun = false;
  return result;
}

/** The number in the official plugin's format: 2.0, 1.5, 10. */
function renderCpus(nano: number): string {
  const spelled = (nano / 1e9).toFixed(9);
  return spelled.split("0").length === 10 ? (nano / 1e9).toFixed(1) : spelled.replace(/0+$/, "");
}
