import { AccessKey } from "@pulumi/aws/iam/accessKey.js";
import { RolePolicy } from "@pulumi/aws/iam/rolePolicy.js";
import { User } from "@pulumi/aws/iam/user.js";
import { UserPolicy } from "@pulumi/aws/iam/userPolicy.js";
import * as pulumi from "@pulumi/pulumi";

/** The key of somebody who may use the bucket, as JSON: a secret. */
export type Credentials = pulumi.Output<string>;

type Tags = pulumi.Input<Record<string, pulumi.Input<string>>>;

/** A user that may do what the policy says, with one key. */
export function createUser(
  name: string,
  args: { policy: pulumi.Input<string>; tags?: Tags | undefined },
  options: pulumi.CustomResourceOptions,
) {
  const user = new User(name, { ...(args.tags && { tags: args.tags }) }, options);
  const grant = new UserPolicy(`${name}-policy`, { user: user.name, policy: args.policy }, options);
  // The key is handed out once it may do something.
  const key = new AccessKey(`${name}-key`, { user: user.name }, { ...options, dependsOn: [grant] });
  return { user, credentials: asJson(key) };
}

/** Where the machine has a role there is no key to steal: the role is allowed what the key would be. */
export function grantToRole(
  name: string,
  args: { policy: pulumi.Input<string>; roleArn: string },
  options: pulumi.CustomResourceOptions,
) {
  // `arn:aws:iam::123456789012:role/path/NAME`
  const role = args.roleArn.split("/").at(-1) as string;
  return new RolePolicy(`${name}-policy`, { role, policy: args.policy }, options);
}

export function asJson(key: {
  id: pulumi.Input<string>;
  secret: pulumi.Input<string>;
}): Credentials {
  return pulumi.secret(
    pulumi
      .all([key.id, key.secret])
      .apply(([accessKeyId, secretAccessKey]) => JSON.stringify({ accessKeyId, secretAccessKey })),
  );
}
