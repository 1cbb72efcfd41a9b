import * as api from "@aws-sdk/client-iam";

import type { Operations } from "../base/bridged.ts";
import { isObject, type Properties, text, type Value } from "../base/properties.ts";
import { isMissing } from "./bucket.ts";
import { clients } from "./clients.ts";

const send = ((command: never) => clients().iam.send(command)) as api.IAMClient["send"];

function isGone(error: unknown): boolean {
  return isMissing(error) || (error instanceof Error && error.name === "NoSuchEntityException");
}

async function nullIfGone<T>(action: Promise<T>): Promise<T | null> {
  return action.catch((error) => {
    if (isGone(error)) return null;
    throw error;
  });
}

function tagList(tags: Value | undefined) {
  return Object.entries(isObject(tags) ? tags : {}).map(([Key, Value]) => ({
    Key,
    Value: text(Value),
  }));
}

function document(policy: Value | undefined): string {
  return isObject(policy) ? JSON.stringify(policy) : text(policy);
}

export const user: Operations = {
  fields: {
    name: { autoname: true, replace: true },
    path: { default: "/", replace: true },
    forceDestroy: {},
    tags: { kind: "map", replace: true },
  },
  outputs: ["arn", "uniqueId", "tagsAll"],
  async create(_context, inputs) {
    const name = text(inputs.name);
    await send(
      new api.CreateUserCommand({
        UserName: name,
        Path: text(inputs.path),
        Tags: tagList(inputs.tags),
      }),
    );
    return name;
  },
  async read(_context, id, state) {
    const found = await nullIfGone(send(new api.GetUserCommand({ UserName: id })));
    if (!found?.User) return null;
    const { Arn, UserId, Path } = found.User;
    return { name: id, arn: Arn!, uniqueId: UserId!, path: Path ?? "/", tagsAll: state.tags ?? {} };
  },
  async delete(_context, id, state) {
    if (state.forceDestroy) {
      const keys = await send(new api.ListAccessKeysCommand({ UserName: id }));
      for (const { AccessKeyId } of keys.AccessKeyMetadata ?? []) {
        await send(new api.DeleteAccessKeyCommand({ UserName: id, AccessKeyId }));
      }
    }
    await nullIfGone(send(new api.DeleteUserCommand({ UserName: id })));
  },
};

export const userPolicy: Operations = {
  fields: {
    name: { autoname: true, replace: true },
    user: { required: true, replace: true },
    policy: { kind: "json", required: true },
  },
  outputs: [],
  async create(_context, inputs) {
    await putUserPolicy(inputs);
    return `${text(inputs.user)}:${text(inputs.name)}`;
  },
  async read(_context, _id, state) {
    const names = { UserName: text(state.user), PolicyName: text(state.name) };
    const found = await nullIfGone(send(new api.GetUserPolicyCommand(names)));
    return found && { policy: decodeURIComponent(found.PolicyDocument ?? "") };
  },
  async update(_context, _id, _state, news) {
    await putUserPolicy(news);
  },
  async delete(_context, _id, state) {
    const names = { UserName: text(state.user), PolicyName: text(state.name) };
    await nullIfGone(send(new api.DeleteUserPolicyCommand(names)));
  },
};

function putUserPolicy(inputs: Properties) {
  const names = { UserName: text(inputs.user), PolicyName: text(inputs.name) };
  return send(new api.PutUserPolicyCommand({ ...names, PolicyDocument: document(inputs.policy) }));
}

// The API returns the secret only once, at creation. After that, only the state has it.
const newSecrets = new Map<string, string>();

export const accessKey: Operations = {
  fields: {
    user: { required: true, replace: true },
    status: { default: "Active" },
    pgpKey: { replace: true },
  },
  outputs: ["secret", "createDate", "sesSmtpPasswordV4"],
  secretOutputs: ["secret", "sesSmtpPasswordV4"],
  async create(_context, inputs) {
    const { AccessKey: made } = await send(
      new api.CreateAccessKeyCommand({ UserName: text(inputs.user) }),
    );
    newSecrets.set(made!.AccessKeyId!, made!.SecretAccessKey!);
    return made!.AccessKeyId!;
  },
  async read(_context, id, state) {
    const found = await nullIfGone(
      send(new api.ListAccessKeysCommand({ UserName: text(state.user) })),
    );
    const key = found?.AccessKeyMetadata?.find((each) => each.AccessKeyId === id);
    if (!key) return null;
    return {
      status: key.Status ?? "Active",
      createDate: key.CreateDate?.toISOString() ?? "",
      secret: newSecrets.get(id) ?? state.secret ?? "",
    };
  },
  async update(_context, id, _state, news) {
    const Status = text(news.status) as api.StatusType;
    await send(
      new api.UpdateAccessKeyCommand({ UserName: text(news.user), AccessKeyId: id, Status }),
    );
  },
  async delete(_context, id, state) {
    await nullIfGone(
      send(new api.DeleteAccessKeyCommand({ UserName: text(state.user), AccessKeyId: id })),
    );
  },
};

export const role: Operations = {
  fields: {
    name: { autoname: true, replace: true },
    assumeRolePolicy: { kind: "json", required: true },
    description: {},
    path: { default: "/", replace: true },
    maxSessionDuration: { default: 3600 },
    tags: { kind: "map", replace: true },
  },
  outputs: ["arn", "uniqueId", "createDate", "tagsAll"],
  async create(_context, inputs) {
    const RoleName = text(inputs.name);
    await send(
      new api.CreateRoleCommand({
        RoleName,
        Path: text(inputs.path),
        Description: text(inputs.description),
        MaxSessionDuration: Number(inputs.maxSessionDuration),
        AssumeRolePolicyDocument: document(inputs.assumeRolePolicy),
        Tags: tagList(inputs.tags),
      }),
    );
    return RoleName;
  },
  async read(_context, id, state) {
    const found = (await nullIfGone(send(new api.GetRoleCommand({ RoleName: id }))))?.Role;
    if (!found) return null;
    return {
      name: id,
      arn: found.Arn!,
      uniqueId: found.RoleId!,
      createDate: found.CreateDate?.toISOString() ?? "",
      assumeRolePolicy: decodeURIComponent(found.AssumeRolePolicyDocument ?? ""),
      maxSessionDuration: found.MaxSessionDuration ?? 3600,
      tagsAll: state.tags ?? {},
    };
  },
  async update(_context, id, _state, news) {
    const PolicyDocument = document(news.assumeRolePolicy);
    await send(new api.UpdateAssumeRolePolicyCommand({ RoleName: id, PolicyDocument }));
    const settings = {
      Description: text(news.description),
      MaxSessionDuration: Number(news.maxSessionDuration),
    };
    await send(new api.UpdateRoleCommand({ RoleName: id, ...settings }));
  },
  async delete(_context, id) {
    await nullIfGone(send(new api.DeleteRoleCommand({ RoleName: id })));
  },
};

export const rolePolicy: Operations = {
  fields: {
    name: { autoname: true, replace: true },
    role: { required: true, replace: true },
    policy: { kind: "json", required: true },
  },
  outputs: [],
  async create(_context, inputs) {
    await putRolePolicy(inputs);
    return `${text(inputs.role)}:${text(inputs.name)}`;
  },
  async read(_context, _id, state) {
    const names = { RoleName: text(state.role), PolicyName: text(state.name) };
    const found = await nullIfGone(send(new api.GetRolePolicyCommand(names)));
    return found && { policy: decodeURIComponent(found.PolicyDocument ?? "") };
  },
  async update(_context, _id, _state, news) {
    await putRolePolicy(news);
  },
  async delete(_context, _id, state) {
    const names = { RoleName: text(state.role), PolicyName: text(state.name) };
    await nullIfGone(send(new api.DeleteRolePolicyCommand(names)));
  },
};

function putRolePolicy(inputs: Properties) {
  const names = { RoleName: text(inputs.role), PolicyName: text(inputs.name) };
  return send(new api.PutRolePolicyCommand({ ...names, PolicyDocument: document(inputs.policy) }));
}
