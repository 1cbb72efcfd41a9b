import { AccessKey } from "@pulumi/aws/iam/accessKey.js";
import { RolePolicy } from "@pulumi/aws/iam/rolePolicy.js";
import { User } from "@pulumi/aws/iam/user.js";
import { UserPolicy } from "@pulumi/aws/iam/userPolicy.js";
import * as pulumi from "@pulumi/pulumi";

/** An access key for the bucket, as JSON. It is a secret. */
export type Credentials = pulumi.Output<string>;

type Tags = pulumi.Input<Record<string, pulumi.Input<string>>>;

/** Creates an IAM user that has this policy, with one access key. */
export function createUser(
  name: string,
  args: { policy: pulumi.Input<string>; tags?: Tags | undefined },
  options: pulumi.CustomResourceOptions,
) {
  const user = new User(name, { ...(args.tags && { tags: args.tags }) }, options);
  const grant = new UserPolicy(`${name}-policy`, { user: user.name, policy: args.policy }, options);
  // The key depends on the policy, so that nobody gets a key without permissions.
  const key = new AccessKey(`${name}-key`, { user: user.name }, { ...options, dependsOn: [grant] });
  return { user, credentials: toCredentials(key) };
}

/** Gives the policy to an existing role. A machine that has the role needs no key, which could be stolen. */
export function grantToRole(
  name: string,
  args: { policy: pulumi.Input<string>; roleArn: string },
  options: pulumi.CustomResourceOptions,
) {
  // `arn:aws:iam::123456789012:role/path/NAME`
  const role = args.roleArn.split("/").at(-1) as string;
  return new RolePolicy(`${name}-policy`, { role, policy: args.policy }, options);
}

export function toCredentials(key: {
  id: pulumi.Input<string>;
  secret: pulumi.Input<string>;
}): Credentials {
  return pulumi.secret(
    pulumi
      .all([key.id, key.secret])
      .apply(([accessKeyId, secretAccessKey]) => JSON.stringify({ accessKeyId, secretAccessKey })),
  );
}
