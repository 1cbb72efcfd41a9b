import grpc, { type ServerUnaryCall, type sendUnaryData } from "@grpc/grpc-js";
import protoEngineGrpc from "@pulumi/pulumi/proto/engine_grpc_pb.js";
import protoEngine from "@pulumi/pulumi/proto/engine_pb.js";
import protoPlugin from "@pulumi/pulumi/proto/plugin_pb.js";
import protoProviderGrpc from "@pulumi/pulumi/proto/provider_grpc_pb.js";
import proto from "@pulumi/pulumi/proto/provider_pb.js";
import protoEmpty from "google-protobuf/google/protobuf/empty_pb.js";

import { hasUnknown, isObject, type Properties, plain } from "./properties.ts";
import { CheckFailure, type Context, PartialFailure, type Provider } from "./resource.ts";
import { fromStruct, toDiffResponse, toPartialError, toStruct } from "./wire.ts";

// biome-ignore lint/suspicious/noExplicitAny: one wrapper for every request type of the service.
type Call = ServerUnaryCall<any, unknown>;
type Handler = (call: Call) => Promise<unknown>;

/** Serves a provider over gRPC. The SDK's base class does not support Configure and preview. */
export function serve(provider: Provider): void {
  let config: Properties = {};
  let engine = connectEngine(process.argv.slice(2).find((each) => !each.startsWith("-")));

  function connectEngine(address: string | undefined) {
    const credentials = grpc.credentials.createInsecure();
    return address ? new protoEngineGrpc.EngineClient(address, credentials) : undefined;
  }

  function sendLog(
    urn: string,
    severity: "info" | "warning" | "error",
    message: string,
    ephemeral: boolean,
  ) {
    const request = new protoEngine.LogRequest();
    const { LogSeverity } = protoEngine;
    request.setSeverity(
      { info: LogSeverity.INFO, warning: LogSeverity.WARNING, error: LogSeverity.ERROR }[severity],
    );
    request.setMessage(message);
    request.setUrn(urn);
    request.setEphemeral(ephemeral);
    engine?.log(request, () => {});
  }

  function contextOf(urn: string): Context {
    return {
      urn,
      name: urn.split("::").slice(3).join("::"),
      config,
      status: (message) => sendLog(urn, "info", message, true),
      log: (severity, message) => sendLog(urn, severity, message, false),
    };
  }

  function resourceOf(urn: string) {
    const type = urn.split("::")[2]?.split("$").at(-1) ?? "";
    const resource = provider.resources[type];
    if (!resource) throw new Error(`unknown resource type ${type}`);
    return resource;
  }

  function bag(struct: Parameters<typeof fromStruct>[0]): Properties {
    return plain(fromStruct(struct)) as Properties;
  }

  const handlers: Record<string, Handler> = {
    handshake: async (call) => {
      if (call.request.getEngineAddress()) engine = connectEngine(call.request.getEngineAddress());
      const response = new proto.ProviderHandshakeResponse();
      response.setAcceptSecrets(provider.acceptSecrets ?? false);
      response.setAcceptResources(false);
      response.setAcceptOutputs(false);
      return response;
    },
    attach: async (call) => {
      engine = connectEngine(call.request.getAddress());
      return new protoEmpty.Empty();
    },
    getPluginInfo: async () => {
      const response = new protoPlugin.PluginInfo();
      response.setVersion(provider.version);
      return response;
    },
    getSchema: async () => {
      const response = new proto.GetSchemaResponse();
      response.setSchema(JSON.stringify({ name: provider.name, version: provider.version }));
      return response;
    },
    checkConfig: async (call) => {
      const response = new proto.CheckResponse();
      response.setInputs(call.request.getNews());
      return response;
    },
    diffConfig: async (call) => {
      const olds = bag(call.request.getOldInputs() ?? call.request.getOlds());
      const news = bag(call.request.getNews());
      const changes: Parameters<typeof toDiffResponse>[0]["changes"] = {};
      for (const name of new Set([...Object.keys(olds), ...Object.keys(news)])) {
        if (JSON.stringify(olds[name]) === JSON.stringify(news[name])) continue;
        changes[name] = { kind: "update", replace: false };
      }
      return toDiffResponse({ changes });
    },
    configure: async (call) => {
      config = bag(call.request.getArgs());
      for (const [name, value] of Object.entries(config)) {
        // The engine sends nested settings as JSON text.
        if (typeof value === "string" && /^[[{]/.test(value)) config[name] = JSON.parse(value);
      }
      if (!hasUnknown(config)) await provider.configure?.(config);
      const response = new proto.ConfigureResponse();
      response.setAcceptsecrets(provider.acceptSecrets ?? false);
      response.setSupportspreview(true);
      response.setAcceptresources(false);
      response.setAcceptoutputs(false);
      return response;
    },
    invoke: async (call) => {
      const invoke = provider.invokes?.[call.request.getTok()];
      if (!invoke) throw new Error(`unknown function ${call.request.getTok()}`);
      const response = new proto.InvokeResponse();
      response.setReturn(toStruct(await invoke(config, bag(call.request.getArgs()))));
      return response;
    },
    check: async (call) => {
      const { request } = call;
      const raw = fromStruct(request.getNews());
      const news = provider.acceptSecrets ? raw : (plain(raw) as Properties);
      const response = new proto.CheckResponse();
      try {
        const context = contextOf(request.getUrn());
        const inputs = await resourceOf(request.getUrn()).check(
          context,
          bag(request.getOlds()),
          news,
        );
        response.setInputs(toStruct(inputs));
      } catch (error) {
        if (!(error instanceof CheckFailure)) throw error;
        const failure = new proto.CheckFailure();
        failure.setProperty(error.property);
        failure.setReason(error.message);
        response.setFailuresList([failure]);
      }
      return response;
    },
    diff: async ({ request }) => {
      const context = contextOf(request.getUrn());
      const state = bag(request.getOlds());
      const oldInputs = bag(request.getOldInputs());
      return toDiffResponse(
        resourceOf(request.getUrn()).diff(context, state, oldInputs, bag(request.getNews())),
      );
    },
    create: async ({ request }) => {
      const raw = fromStruct(request.getProperties());
      const inputs = plain(raw) as Properties;
      const created = await resourceOf(request.getUrn())
        .create(contextOf(request.getUrn()), inputs, request.getPreview(), raw)
        .catch(withInputs(raw));
      const response = new proto.CreateResponse();
      response.setId(request.getPreview() ? "" : created.id);
      response.setProperties(toStruct(created.state));
      return response;
    },
    update: async ({ request }) => {
      const raw = fromStruct(request.getNews());
      const state = await resourceOf(request.getUrn())
        .update(
          contextOf(request.getUrn()),
          request.getId(),
          bag(request.getOlds()),
          plain(raw) as Properties,
          request.getPreview(),
          raw,
        )
        .catch(withInputs(raw));
      const response = new proto.UpdateResponse();
      response.setProperties(toStruct(state));
      return response;
    },
    read: async ({ request }) => {
      const resource = resourceOf(request.getUrn());
      const context = contextOf(request.getUrn());
      const response = new proto.ReadResponse();
      if (!resource.read) {
        response.setId(request.getId());
        response.setProperties(request.getProperties());
        response.setInputs(request.getInputs());
        return response;
      }
      const state = bag(request.getProperties());
      const found = await resource.read(context, request.getId(), state, bag(request.getInputs()));
      if (!found) return response;
      response.setId(found.id);
      response.setProperties(toStruct(found.state));
      response.setInputs(toStruct(found.inputs));
      return response;
    },
    delete: async ({ request }) => {
      const state = bag(request.getProperties());
      await resourceOf(request.getUrn()).delete(
        contextOf(request.getUrn()),
        request.getId(),
        state,
      );
      return new protoEmpty.Empty();
    },
    cancel: async () => new protoEmpty.Empty(),
  };

  function withInputs(inputs: Properties) {
    return (error: unknown): never => {
      if (error instanceof PartialFailure) throw toPartialError(error, inputs);
      throw error;
    };
  }

  const server = new grpc.Server({ "grpc.max_receive_message_length": -1 });
  const implementation: grpc.UntypedServiceImplementation = {};
  for (const method of Object.keys(protoProviderGrpc.ResourceProviderService)) {
    implementation[method] = (call: Call, reply: sendUnaryData<unknown>) => {
      const handler = handlers[method];
      if (!handler) {
        reply({ code: grpc.status.UNIMPLEMENTED, details: `${method} is not implemented` });
        return;
      }
      handler(call).then(
        (response) => reply(null, response),
        (error) =>
          reply(
            isObject(error) && "code" in error && "metadata" in error ? error : toGrpcError(error),
          ),
      );
    };
  }
  server.addService(protoProviderGrpc.ResourceProviderService, implementation);
  server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) => {
    if (error) throw error;
    console.log(port);
  });
}

function toGrpcError(error: unknown) {
  const details = error instanceof Error ? error.message : String(error);
  return { code: grpc.status.UNKNOWN, details };
}
