import * as api from "@aws-sdk/client-kms";

import type { Operations } from "../base/bridged.ts";
import { isObject, type Properties, text } from "../base/properties.ts";
import { clients } from "./clients.ts";

const send = ((command: never) => clients().kms.send(command)) as api.KMSClient["send"];

function isGone(error: unknown): boolean {
  return error instanceof Error && error.name === "NotFoundException";
}

export const key: Operations = {
  fields: {
    description: { computed: true },
    enableKeyRotation: {},
    deletionWindowInDays: {},
    keyUsage: { default: "ENCRYPT_DECRYPT", replace: true },
    customerMasterKeySpec: { default: "SYMMETRIC_DEFAULT", replace: true },
    isEnabled: { default: true },
    bypassPolicyLockoutSafetyCheck: { default: false },
    policy: { kind: "json", computed: true },
    tags: { kind: "map" },
  },
  outputs: ["arn", "keyId", "tagsAll"],
  async create(_context, inputs) {
    const tags = Object.entries(isObject(inputs.tags) ? inputs.tags : {});
    const { KeyMetadata } = await send(
      new api.CreateKeyCommand({
        Description: text(inputs.description),
        Tags: tags.map(([TagKey, value]) => ({ TagKey, TagValue: text(value) })),
      }),
    );
    const KeyId = KeyMetadata!.KeyId!;
    await setRotation(KeyId, inputs);
    return KeyId;
  },
  async read(_context, id, state) {
    try {
      const { KeyMetadata: found } = await send(new api.DescribeKeyCommand({ KeyId: id }));
      // The official plugin also treats a key that is scheduled for deletion as deleted.
      if (!found || found.KeyState === "PendingDeletion") return null;
      const { KeyRotationEnabled } = await send(new api.GetKeyRotationStatusCommand({ KeyId: id }));
      const policy = await send(new api.GetKeyPolicyCommand({ KeyId: id, PolicyName: "default" }));
      return {
        arn: found.Arn!,
        keyId: id,
        description: found.Description ?? "",
        isEnabled: found.Enabled ?? true,
        enableKeyRotation: KeyRotationEnabled ?? false,
        policy: policy.Policy ?? "",
        tagsAll: state.tags ?? {},
      };
    } catch (error) {
      if (isGone(error)) return null;
      throw error;
    }
  },
  async update(_context, id, state, news) {
    if (text(news.description) && state.description !== news.description) {
      const Description = text(news.description);
      await send(new api.UpdateKeyDescriptionCommand({ KeyId: id, Description }));
    }
    await setRotation(id, news);
  },
  async delete(_context, id, state) {
    const PendingWindowInDays = Number(state.deletionWindowInDays) || 30;
    await send(new api.ScheduleKeyDeletionCommand({ KeyId: id, PendingWindowInDays })).catch(
      (error) => {
        if (!isGone(error)) throw error;
      },
    );
  },
};

function setRotation(KeyId: string, inputs: Properties) {
  return inputs.enableKeyRotation === true
    ? send(new api.EnableKeyRotationCommand({ KeyId }))
    : send(new api.DisableKeyRotationCommand({ KeyId }));
}

/** `aws.kms.getKey`: fails if the key does not exist or the credentials may not describe it. */
export async function getKey(args: Properties): Promise<Properties> {
  const keyId = text(args.keyId);
  const { KeyMetadata: found } = await send(new api.DescribeKeyCommand({ KeyId: keyId }));
  return {
    id: found?.KeyId ?? "",
    keyId,
    arn: found?.Arn ?? "",
    enabled: found?.Enabled ?? false,
    keyState: found?.KeyState ?? "",
    description: found?.Description ?? "",
  };
}
