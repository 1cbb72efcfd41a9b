import { GetCallerIdentityCommand } from "@aws-sdk/client-sts";

import { list, objects, type Properties, text, type Value } from "../base/properties.ts";
import type { Provider } from "../base/resource.ts";
import { clients } from "./clients.ts";
import { getKey } from "./keys.ts";

/** The official function writes one value as text and several values as a list. */
function compactList(values: Value | undefined): Value | undefined {
  const all = list(values).map(text).sort().reverse();
  return all.length > 1 ? all : all[0];
}

function principals(of: Value | undefined): Value | undefined {
  const all = objects(of);
  if (all.length === 0) return undefined;
  if (all.some((each) => each.type === "*")) return "*";
  return Object.fromEntries(all.map((each) => [text(each.type), compactList(each.identifiers)!]));
}

function conditions(of: Value | undefined): Value | undefined {
  const result: Record<string, Record<string, Value>> = {};
  for (const each of objects(of)) {
    const test = text(each.test);
    result[test] = { ...result[test], [text(each.variable)]: compactList(each.values)! };
  }
  return Object.keys(result).length > 0 ? result : undefined;
}

function policyDocument(args: Properties): Properties {
  const Statement = objects(args.statements).map((each) => ({
    Sid: each.sid,
    Effect: text(each.effect) || "Allow",
    Action: compactList(each.actions),
    NotAction: compactList(each.notActions),
    Resource: compactList(each.resources),
    NotResource: compactList(each.notResources),
    Principal: principals(each.principals),
    Condition: conditions(each.conditions),
  }));
  const document = { Version: text(args.version) || "2012-10-17", Statement };
  const minifiedJson = JSON.stringify(document);
  return { ...args, id: "policy", json: JSON.stringify(document, null, 2), minifiedJson };
}

export const invokes: Provider["invokes"] = {
  "aws:index/getCallerIdentity:getCallerIdentity": async () => {
    const found = await clients().sts.send(new GetCallerIdentityCommand({}));
    const accountId = found.Account ?? "";
    return { id: accountId, accountId, arn: found.Arn ?? "", userId: found.UserId ?? "" };
  },
  "aws:index/getRegion:getRegion": async () => {
    const { region } = clients();
    return {
      id: region,
      name: region,
      region,
      description: region,
      endpoint: `ec2.${region}.amazonaws.com`,
    };
  },
  "aws:index/getPartition:getPartition": async () => {
    return {
      id: "aws",
      partition: "aws",
      dnsSuffix: "amazonaws.com",
      reverseDnsPrefix: "com.amazonaws",
    };
  },
  "aws:kms/getKey:getKey": async (_config, args) => getKey(args),
  "aws:iam/getPolicyDocument:getPolicyDocument": async (_config, args) => policyDocument(args),
};
