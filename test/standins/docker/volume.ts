import type { Operations } from "../base/bridged.ts";
import { text } from "../base/properties.ts";
import { connectedEngine, EngineError } from "./engine.ts";
import { fromLabelMap, labelsField, toLabelMap } from "./labels.ts";

const WAIT_MS = 30_000;

export const volume: Operations = {
  fields: {
    name: { autoname: true, replace: true },
    labels: labelsField,
    driver: { computed: true, replace: true },
    driverOpts: { kind: "map", replace: true },
  },
  outputs: ["mountpoint"],

  // For an existing name the engine returns the existing volume, without an error.
  async create(_context, inputs) {
    const made = await connectedEngine().call("POST", "/volumes/create", {
      Name: text(inputs.name),
      Labels: toLabelMap(inputs.labels),
      Driver: inputs.driver,
      DriverOpts: inputs.driverOpts,
    });
    return made.Name;
  },

  async read(_context, id) {
    const found = await connectedEngine().find(`/volumes/${id}`);
    if (!found) return null;
    return {
      name: found.Name,
      labels: fromLabelMap(found.Labels),
      driver: found.Driver,
      driverOpts: found.Options ?? {},
      mountpoint: found.Mountpoint,
    };
  },

  async delete(_context, id) {
    const deadline = Date.now() + WAIT_MS;
    for (;;) {
      try {
        await connectedEngine().call("DELETE", `/volumes/${id}?force=1`);
        return;
      } catch (error) {
        const inUse = error instanceof EngineError && error.message.includes("volume is in use");
        if (!inUse || Date.now() > deadline) throw error;
        await new Promise((resolve) => setTimeout(resolve, 1000));
      }
    }
  },
};
