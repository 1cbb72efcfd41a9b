import type { Operations } from "../base/bridged.ts";
import { objects, text } from "../base/properties.ts";
import { connectedEngine, EngineError } from "./engine.ts";
import { fromLabelMap, labelsField, toLabelMap } from "./labels.ts";

const WAIT_MS = 30_000;
/**
 * The official plugin waits this long before each read, also before the one after a create. Only a test of this
 * window asks for the wait, because every `up` would take it.
 */
const READ_DELAY_MS = process.env.PGSTEAD_OFFICIAL_PACE ? 2_000 : 0;

interface IpamConfig {
  Subnet?: string;
  IPRange?: string;
  Gateway?: string;
  AuxiliaryAddresses?: Record<string, string>;
}

export const network: Operations = {
  fields: {
    name: { autoname: true, replace: true },
    labels: labelsField,
    driver: { computed: true, replace: true },
    options: { kind: "map", computed: true, replace: true },
    internal: { computed: true, replace: true },
    attachable: { replace: true },
    ingress: { replace: true },
    ipv6: { replace: true },
    ipamDriver: { default: "default", replace: true },
    ipamOptions: { kind: "map", replace: true },
    ipamConfigs: {
      kind: "set",
      computed: true,
      replace: true,
      item: { subnet: {}, ipRange: {}, gateway: {}, auxAddress: { kind: "map" } },
    },
  },
  outputs: ["scope"],

  async create(_context, inputs) {
    const made = await connectedEngine().call("POST", "/networks/create", {
      Name: text(inputs.name),
      CheckDuplicate: true,
      Driver: inputs.driver,
      Labels: toLabelMap(inputs.labels),
      Options: inputs.options,
      Internal: inputs.internal ?? false,
      Attachable: inputs.attachable ?? false,
      Ingress: inputs.ingress ?? false,
      EnableIPv6: inputs.ipv6 ?? false,
      IPAM: {
        Driver: text(inputs.ipamDriver),
        Options: inputs.ipamOptions,
        Config: objects(inputs.ipamConfigs).map((each) => ({
          Subnet: each.subnet,
          IPRange: each.ipRange,
          Gateway: each.gateway,
          AuxiliaryAddresses: each.auxAddress,
        })),
      },
    });
    return made.Id;
  },

  async read(_context, id) {
    await new Promise((resolve) => setTimeout(resolve, READ_DELAY_MS));
    const found = await connectedEngine().find(`/networks/${id}`);
    if (!found) return null;
    return {
      name: found.Name,
      labels: fromLabelMap(found.Labels),
      driver: found.Driver,
      options: found.Options ?? {},
      internal: found.Internal,
      attachable: found.Attachable,
      ingress: found.Ingress,
      ipv6: found.EnableIPv6,
      ipamDriver: found.IPAM?.Driver ?? "default",
      ipamOptions: found.IPAM?.Options ?? {},
      ipamConfigs: ((found.IPAM?.Config ?? []) as IpamConfig[]).map((each) => ({
        subnet: each.Subnet ?? "",
        ipRange: each.IPRange ?? "",
        gateway: each.Gateway ?? "",
        auxAddress: each.AuxiliaryAddresses ?? {},
      })),
      scope: found.Scope,
    };
  },

  async delete(_context, id) {
    const deadline = Date.now() + WAIT_MS;
    while (await connectedEngine().find(`/networks/${id}`)) {
      try {
        await connectedEngine().call("DELETE", `/networks/${id}`);
      } catch (error) {
        const inUse =
          error instanceof EngineError && error.message.includes("has active endpoints");
        if (!inUse || Date.now() > deadline) throw error;
        await new Promise((resolve) => setTimeout(resolve, 1000));
      }
    }
  },
};
