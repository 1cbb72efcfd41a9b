import type { Operations } from "../base/bridged.ts";
import { text } from "../base/properties.ts";
import { collect, connectedEngine } from "./engine.ts";

async function pull(name: string): Promise<void> {
  const engine = connectedEngine();
  const answer = await engine.send(
    "POST",
    `/images/create?fromImage=${encodeURIComponent(withTag(name))}`,
  );
  for (const line of (await collect(answer)).split("\n").filter(Boolean)) {
    const message = JSON.parse(line);
    if (message.error)
      throw new Error(`Unable to read Docker image into resource: ${message.error}`);
  }
}

function withTag(name: string): string {
  return /:[^/]*$|@/.test(name) ? name : `${name}:latest`;
}

export const remoteImage: Operations = {
  fields: {
    name: { required: true, replace: true },
    keepLocally: {},
    pullTriggers: { kind: "set", replace: true },
    forceRemove: {},
    triggers: { kind: "map", replace: true },
    platform: { replace: true },
  },
  outputs: ["imageId", "repoDigest"],

  async create(_context, inputs) {
    const name = text(inputs.name);
    // A local image is used as it is, without a request to the registry.
    const found = await connectedEngine().find(`/images/${name}/json`);
    if (!found) await pull(name);
    const image = found ?? (await connectedEngine().get(`/images/${name}/json`));
    return image.Id + name;
  },

  async read(_context, _id, state) {
    const name = text(state.name);
    const found = await connectedEngine().find(`/images/${name}/json`);
    if (!found) return null;
    return { imageId: found.Id, repoDigest: found.RepoDigests?.[0] ?? "" };
  },

  async delete(_context, _id, state) {
    if (state.keepLocally) return;
    const force = state.forceRemove ? "?force=1" : "";
    await connectedEngine().call("DELETE", `/images/${text(state.name)}${force}`);
  },
};
