import { readFileSync } from "node:fs";

import { pack } from "../../../cli/stack/docker/tar.ts";
import type { Operations } from "../base/bridged.ts";
import { objects, type Properties, stable, text } from "../base/properties.ts";
import { PartialFailure } from "../base/resource.ts";
import { resourceLimits, restartPolicy, toCreateBody, toEndpoint } from "./container-config.ts";
import { containerFields } from "./container-fields.ts";
import { toState } from "./container-state.ts";
import { connectedEngine, EngineError } from "./engine.ts";

const UPDATABLE = [
  "restart",
  "maxRetryCount",
  "cpuShares",
  "memory",
  "memoryReservation",
  "cpuSet",
  "memorySwap",
];

async function upload(id: string, file: Properties): Promise<void> {
  const given = [file.content, file.contentBase64, file.source].filter(Boolean);
  if (given.length !== 1) {
    throw new Error(
      "error with upload content: one of 'content', 'content_base64', or 'source' must be set",
    );
  }
  const content = file.source
    ? readFileSync(text(file.source))
    : Buffer.from(text(given[0]), file.content ? "utf8" : "base64");
  const mode = file.permissions
    ? Number.parseInt(text(file.permissions), 8)
    : file.executable
      ? 0o744
      : 0o644;
  const archive = pack([{ path: text(file.file), content, mode }]);
  const headers = { "Content-Type": "application/x-tar", "Content-Length": archive.length };
  const answer = await connectedEngine().send(
    "PUT",
    `/containers/${id}/archive?path=/`,
    archive,
    headers,
  );
  answer.resume();
}

async function waitForHealth(id: string, seconds: number): Promise<void> {
  const deadline = Date.now() + seconds * 1000;
  while (Date.now() < deadline) {
    const { State: state } = await connectedEngine().get(`/containers/${id}/json`);
    if (!state.Health) {
      throw new Error(
        "you have supplied a 'wait' argument, but the container does not have a healthcheck defined. Please remove the 'wait' argument or add a 'healthcheck' attribute",
      );
    }
    if (state.Health.Status === "healthy") return;
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
  throw new Error("container failed to be in healthy state");
}

async function connectNetworks(id: string, inputs: Properties): Promise<void> {
  const networks = objects(inputs.networksAdvanced);
  if (networks.length === 0) return;
  await connectedEngine()
    .call("POST", "/networks/bridge/disconnect", { Container: id, Force: false })
    .catch((error: Error) => {
      if (!error.message.includes("is not connected to the network bridge")) throw error;
    });
  for (const each of networks) {
    const body = { Container: id, EndpointConfig: toEndpoint(each) };
    await connectedEngine().call("POST", `/networks/${text(each.name)}/connect`, body);
  }
}

async function makeReady(id: string, inputs: Properties): Promise<void> {
  await connectNetworks(id, inputs);
  for (const each of objects(inputs.uploads)) {
    await upload(id, each).catch((error) => {
      throw new Error(`Unable to upload volume content: ${error.message}`);
    });
  }
  if (inputs.start) {
    await connectedEngine()
      .call("POST", `/containers/${id}/start`)
      .catch((error) => {
        throw new Error(`Unable to start container: ${error.message}`);
      });
    if (inputs.wait) await waitForHealth(id, Number(inputs.waitTimeout));
  }
  if (inputs.attach)
    await connectedEngine().call("POST", `/containers/${id}/wait?condition=not-running`);
}

export const container: Operations = {
  fields: containerFields,
  outputs: ["bridge", "containerLogs", "exitCode", "networkDatas"],
  readOnce: ["networkDatas"],
  keptAsPlanned: ["capabilities"],
  deleteBeforeReplace: true,

  async create(_context, inputs) {
    const engine = connectedEngine();
    const image = text(inputs.image);
    // The official plugin tries to pull a missing image, and fails with this message if it cannot.
    if (!(await engine.find(`/images/${image}/json`))) {
      throw new Error(
        `Unable to create container with image ${image}: unable to find or pull image ${image}`,
      );
    }
    const path = `/containers/create?name=${encodeURIComponent(text(inputs.name))}`;
    const made = await engine
      .call("POST", path, toCreateBody(inputs, engine.apiVersion))
      .catch((error) => {
        throw new Error(`Unable to create container: ${error.message}`);
      });
    await makeReady(made.Id, inputs).catch((error) => {
      throw new PartialFailure(error.message, made.Id, inputs);
    });
    return made.Id;
  },

  async read(_context, id, state) {
    const found = await connectedEngine().find(`/containers/${id}/json`);
    return found && toState(found, state);
  },

  async update(_context, id, state, news) {
    const engine = connectedEngine();
    if (state.mustRun === false && news.mustRun && news.start) {
      await engine.call("POST", `/containers/${id}/start`);
    }
    if (!UPDATABLE.some((name) => stable(state[name]) !== stable(news[name]))) return;
    const body = { ...resourceLimits(news), RestartPolicy: restartPolicy(news) };
    await engine.call("POST", `/containers/${id}/update`, body).catch((error) => {
      throw new Error(`Unable to update a container: ${error.message}`);
    });
  },

  async delete(_context, id, state) {
    const engine = connectedEngine();
    const ignore = (status: number) => (error: unknown) => {
      if (!(error instanceof EngineError && error.status === status)) throw error;
    };
    // With a grace of 0 the engine kills the container at once, whatever its stop timeout is.
    const grace = Number(state.destroyGraceSeconds ?? 0);
    if (!state.attach) {
      await engine.call("POST", `/containers/${id}/stop?t=${grace}`).catch(ignore(404));
    }
    const volumes = state.removeVolumes === false ? "" : "&v=1";
    await engine.call("DELETE", `/containers/${id}?force=1${volumes}`).catch(ignore(404));
  },
};
