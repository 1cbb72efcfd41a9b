/**
 * Plain functions of what the bucket allows: tested alone, and read by who wants to know. Keys are in
 * a fixed order, so that nothing differs without a change.
 */

/** Prefixes under which a stack keeps its backups. */
export const prefixesOf = (prefix: string) => ({
  dumps: `${prefix}dumps/`,
  volumes: `${prefix}volumes/`,
  keep: `${prefix}keep/`,
  pgbackrest: `${prefix}pgbackrest/`,
});

/** Nobody, not even the account's administrator, speaks to the bucket without TLS 1.2. */
export function tlsOnlyPolicy(bucketArn: string): string {
  const everything = { Effect: "Deny", Principal: "*", Action: "s3:*" };
  const Resource = [bucketArn, `${bucketArn}/*`];
  return JSON.stringify({
    Version: "2012-10-17",
    Statement: [
      {
        Sid: "OnlyTls",
        ...everything,
        Resource,
        Condition: { Bool: { "aws:SecureTransport": "false" } },
      },
      {
        Sid: "OnlyTls12",
        ...everything,
        Resource,
        Condition: { NumericLessThan: { "s3:TlsVersion": "1.2" } },
      },
    ],
  });
}

/**
 * What the agent may: put and read backups, and see which there are. It cannot delete, and what it
 * overwrites stays as an old version, so a stolen key does not take the backups away.
 */
export function agentPolicy(bucketArn: string, prefix: string, kmsKeyArn?: string): string {
  const { dumps, volumes, keep } = prefixesOf(prefix);
  const actions = ["s3:GetObject", "s3:PutObject"];
  return below(bucketArn, [dumps, volumes, keep], { sid: "PutAndRead", actions }, kmsKeyArn);
}

/** pgBackRest expires by itself, since only it knows what a chain still needs: under its prefix. */
export function pgbackrestPolicy(bucketArn: string, prefix: string, kmsKeyArn?: string): string {
  const actions = ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"];
  const { pgbackrest } = prefixesOf(prefix);
  return below(bucketArn, [pgbackrest], { sid: "PutReadAndDelete", actions }, kmsKeyArn);
}

function below(
  bucketArn: string,
  prefixes: string[],
  { sid, actions }: { sid: string; actions: string[] },
  kmsKeyArn?: string,
): string {
  return JSON.stringify({
    Version: "2012-10-17",
    Statement: [
      {
        Sid: sid,
        Effect: "Allow",
        Action: actions,
        Resource: prefixes.map((prefix) => `${bucketArn}/${prefix}*`),
      },
      {
        Sid: "List",
        Effect: "Allow",
        Action: "s3:ListBucket",
        Resource: bucketArn,
        Condition: { StringLike: { "s3:prefix": prefixes.map((prefix) => `${prefix}*`) } },
      },
      ...(kmsKeyArn
        ? [
            {
              Sid: "UseKey",
              Effect: "Allow",
              Action: ["kms:Decrypt", "kms:GenerateDataKey"],
              Resource: kmsKeyArn,
            },
          ]
        : []),
    ],
  });
}
