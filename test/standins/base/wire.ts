import { Metadata, type ServiceError, status } from "@grpc/grpc-js";
import protoProvider from "@pulumi/pulumi/proto/provider_pb.js";
import protoStatus from "@pulumi/pulumi/proto/status_pb.js";
import protoAny from "google-protobuf/google/protobuf/any_pb.js";
import protoStruct from "google-protobuf/google/protobuf/struct_pb.js";

import type { Changes } from "./fields.ts";
import type { Properties } from "./properties.ts";
import type { Difference, PartialFailure } from "./resource.ts";

type Struct = InstanceType<typeof protoStruct.Struct>;

export function fromStruct(struct: Struct | undefined): Properties {
  return (struct?.toJavaScript() ?? {}) as Properties;
}

export function toStruct(bag: Properties): Struct {
  // A Struct cannot hold undefined, and JSON drops it.
  return protoStruct.Struct.fromJavaScript(JSON.parse(JSON.stringify(bag)));
}

export function toDiffResponse(difference: Difference) {
  const { DiffResponse, PropertyDiff } = protoProvider;
  const response = new DiffResponse();
  const paths = Object.keys(difference.changes);
  const top = [...new Set(paths.map((path) => path.split(/[.[]/)[0]!))];
  response.setChanges(
    paths.length > 0 ? DiffResponse.DiffChanges.DIFF_SOME : DiffResponse.DiffChanges.DIFF_NONE,
  );
  response.setDiffsList(top);
  response.setReplacesList(paths.filter((path) => difference.changes[path]?.replace));
  response.setHasdetaileddiff(paths.length > 0);
  for (const [path, change] of Object.entries(difference.changes)) {
    const item = new PropertyDiff();
    item.setKind(kindOf(change));
    response.getDetaileddiffMap().set(path, item);
  }
  if (response.getReplacesList().length > 0) {
    response.setDeletebeforereplace(difference.deleteBeforeReplace ?? false);
  }
  return response;
}

function kindOf(change: Changes[string]) {
  const { Kind } = protoProvider.PropertyDiff;
  if (change.kind === "add") return change.replace ? Kind.ADD_REPLACE : Kind.ADD;
  if (change.kind === "delete") return change.replace ? Kind.DELETE_REPLACE : Kind.DELETE;
  return change.replace ? Kind.UPDATE_REPLACE : Kind.UPDATE;
}

/** A resource that was created but failed is in the error's details. Otherwise its id would be lost. */
export function toPartialError(failure: PartialFailure, inputs: Properties): Partial<ServiceError> {
  const detail = new protoProvider.ErrorResourceInitFailed();
  detail.setId(failure.id);
  detail.setProperties(toStruct(failure.state));
  detail.setInputs(toStruct(inputs));
  detail.setReasonsList([failure.message]);
  const any = new protoAny.Any();
  any.pack(detail.serializeBinary(), "pulumirpc.ErrorResourceInitFailed");
  const details = new protoStatus.Status();
  details.setCode(status.UNKNOWN);
  details.setMessage(failure.message);
  details.addDetails(any);
  const metadata = new Metadata();
  metadata.add("grpc-status-details-bin", Buffer.from(details.serializeBinary()));
  return { code: status.UNKNOWN, details: failure.message, metadata };
}
