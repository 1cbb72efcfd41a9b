import { isObject, list, objects, type Properties, text, type Value } from "../base/properties.ts";
import { toDuration } from "./duration.ts";
import { toLabelMap } from "./labels.ts";

const MIB = 1024 * 1024;

function strings(value: Value | undefined): string[] | undefined {
  return Array.isArray(value) ? value.map(text) : undefined;
}

/** Docker's own client also adds the prefix CAP_ before it calls the engine. */
function capabilityNames(value: Value | undefined): string[] | undefined {
  return strings(value)?.map((each) => {
    const name = each.toUpperCase();
    return name === "ALL" || name.startsWith("CAP_") ? name : `CAP_${name}`;
  });
}

function mebibytes(value: Value | undefined): number | undefined {
  return typeof value === "number" ? (value > 0 ? value * MIB : value) : undefined;
}

function healthcheck(value: Value | undefined, apiVersion: string) {
  if (!isObject(value)) return undefined;
  const startInterval = toDuration(text(value.startInterval));
  if (startInterval > 0 && Number(apiVersion.split(".")[1]) < 44) {
    throw new Error(
      `Unable to create container: "specify health-check start interval" requires API version 1.44, but the Docker daemon API version is ${apiVersion}`,
    );
  }
  return {
    Test: strings(value.tests) ?? [],
    Interval: toDuration(text(value.interval)),
    Timeout: toDuration(text(value.timeout)),
    StartPeriod: toDuration(text(value.startPeriod)),
    Retries: value.retries ?? 0,
  };
}

function mounts(value: Value | undefined, apiVersion: string) {
  return objects(value).map((each) => {
    const options = isObject(each.volumeOptions) ? each.volumeOptions : undefined;
    if (options && each.type === "volume" && Number(apiVersion.split(".")[1]) < 45) {
      throw new Error("Setting VolumeOptions.Subpath requires docker version 1.45 or higher");
    }
    return {
      Type: each.type,
      Target: each.target,
      Source: each.source ?? "",
      ReadOnly: each.readOnly ?? false,
      BindOptions: isObject(each.bindOptions)
        ? { Propagation: each.bindOptions.propagation }
        : undefined,
      VolumeOptions: options && {
        NoCopy: options.noCopy ?? false,
        Labels: toLabelMap(options.labels),
        DriverConfig: { Name: options.driverName ?? "", Options: options.driverOptions ?? {} },
        Subpath: options.subpath,
      },
      TmpfsOptions: isObject(each.tmpfsOptions)
        ? { SizeBytes: each.tmpfsOptions.sizeBytes, Mode: each.tmpfsOptions.mode }
        : undefined,
    };
  });
}

function volumes(value: Value | undefined) {
  const config = {
    paths: {} as Record<string, object>,
    binds: [] as string[],
    from: [] as string[],
  };
  for (const each of objects(value)) {
    const source = text(each.hostPath) || text(each.volumeName);
    const path = text(each.containerPath);
    if (each.fromContainer) config.from.push(text(each.fromContainer));
    if (!path) continue;
    config.paths[path] = {};
    const mode = [each.readOnly ? "ro" : "rw", text(each.selinuxRelabel)].filter(Boolean).join(",");
    if (source) config.binds.push(`${source}:${path}:${mode}`);
  }
  return config;
}

function ports(value: Value | undefined) {
  const exposed: Record<string, object> = {};
  const bindings: Record<string, { HostPort: string; HostIp: string }[]> = {};
  for (const each of objects(value)) {
    const key = `${each.internal}/${text(each.protocol) || "tcp"}`;
    exposed[key] = {};
    const binding = { HostPort: text(each.external ?? 0), HostIp: text(each.ip) || "0.0.0.0" };
    bindings[key] = [...(bindings[key] ?? []), binding];
  }
  return { exposed, bindings };
}

/** These limits are part of a create and of an update. */
export function resourceLimits(inputs: Properties) {
  return {
    Memory: mebibytes(inputs.memory) ?? 0,
    MemoryReservation: mebibytes(inputs.memoryReservation) ?? 0,
    MemorySwap: mebibytes(inputs.memorySwap),
    CpuShares: inputs.cpuShares ?? 0,
    CpusetCpus: inputs.cpuSet ?? "",
  };
}

export function restartPolicy(inputs: Properties) {
  return { Name: text(inputs.restart) || "no", MaximumRetryCount: inputs.maxRetryCount ?? 0 };
}

/** The body of the engine's create call. */
export function toCreateBody(inputs: Properties, apiVersion: string) {
  const { exposed, bindings } = ports(inputs.ports);
  const { paths, binds, from } = volumes(inputs.volumes);
  const capabilities = isObject(inputs.capabilities) ? inputs.capabilities : {};
  return {
    Image: inputs.image,
    Hostname: inputs.hostname,
    Domainname: inputs.domainname,
    Tty: inputs.tty ?? false,
    OpenStdin: inputs.stdinOpen ?? false,
    StopSignal: inputs.stopSignal,
    StopTimeout: inputs.stopTimeout,
    Env: strings(inputs.envs),
    Cmd: strings(inputs.command),
    Entrypoint: strings(inputs.entrypoints),
    User: inputs.user,
    WorkingDir: inputs.workingDir,
    ExposedPorts: exposed,
    Volumes: paths,
    Labels: toLabelMap(inputs.labels),
    Healthcheck: healthcheck(inputs.healthcheck, apiVersion),
    HostConfig: {
      ...resourceLimits(inputs),
      RestartPolicy: restartPolicy(inputs),
      Privileged: inputs.privileged ?? false,
      PublishAllPorts: inputs.publishAllPorts ?? false,
      AutoRemove: inputs.rm ?? false,
      ReadonlyRootfs: inputs.readOnly ?? false,
      Runtime: inputs.runtime,
      Mounts: mounts(inputs.mounts, apiVersion),
      Binds: binds,
      VolumesFrom: from,
      PortBindings: bindings,
      ExtraHosts: objects(inputs.hosts).map((each) => `${each.host}:${each.ip}`),
      Tmpfs: inputs.tmpfs,
      Ulimits: objects(inputs.ulimits).map((each) => ({
        Name: each.name,
        Soft: each.soft,
        Hard: each.hard,
      })),
      CapAdd: capabilityNames(capabilities.adds),
      CapDrop: capabilityNames(capabilities.drops),
      Dns: strings(inputs.dns),
      DnsOptions: strings(inputs.dnsOpts),
      DnsSearch: strings(inputs.dnsSearches),
      SecurityOpt: strings(inputs.securityOpts),
      ShmSize: mebibytes(inputs.shmSize),
      NanoCpus: inputs.cpus ? Math.round(Number(inputs.cpus) * 1e9) : undefined,
      CpuPeriod: inputs.cpus ? undefined : inputs.cpuPeriod,
      CpuQuota: inputs.cpus ? undefined : inputs.cpuQuota,
      LogConfig: { Type: text(inputs.logDriver), Config: inputs.logOpts },
      NetworkMode: text(inputs.networkMode) || "bridge",
      UsernsMode: inputs.usernsMode,
      PidMode: inputs.pidMode,
      IpcMode: inputs.ipcMode,
      CgroupnsMode: inputs.cgroupnsMode,
      CgroupParent: inputs.cgroupParent,
      Sysctls: inputs.sysctls,
      GroupAdd: strings(inputs.groupAdds),
      StorageOpt: inputs.storageOpts,
      Init: inputs.init ?? false,
    },
  };
}

export function toEndpoint(network: Properties) {
  return {
    Aliases: strings(network.aliases),
    MacAddress: network.macAddress,
    IPAMConfig: {
      IPv4Address: text(network.ipv4Address),
      IPv6Address: text(network.ipv6Address),
      LinkLocalIPs: list(network.linkLocalIps).map(text),
    },
  };
}
