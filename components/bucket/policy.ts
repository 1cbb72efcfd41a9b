/*
 * The policies that say who may do what in the bucket. Their keys have a fixed order, so that equal
 * policies are equal text and no preview shows a change.
 */

/** The prefixes under which a stack stores its backups. */
export const prefixesOf = (prefix: string) => ({
  dumps: `${prefix}dumps/`,
  volumes: `${prefix}volumes/`,
  keep: `${prefix}keep/`,
  pgbackrest: `${prefix}pgbackrest/`,
});

/** Denies every request without TLS 1.2 or later, also those of the account's administrator. */
export function renderTlsOnlyPolicy(bucketArn: string): string {
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
 * Allows the agent to put, read and list backups. It cannot delete, and an overwritten object stays as
 * an old version, so that nobody can destroy backups with a stolen key.
 */
export function renderAgentPolicy(bucketArn: string, prefix: string, kmsKeyArn?: string): string {
  const { dumps, volumes, keep } = prefixesOf(prefix);
  const actions = ["s3:GetObject", "s3:PutObject"];
  return renderPolicy(bucketArn, [dumps, volumes, keep], { sid: "PutAndRead", actions }, kmsKeyArn);
}

/**
 * Allows pgBackRest to delete as well, under its own prefix only. pgBackRest expires its backups itself,
 * because only it knows which of them an incremental backup still needs.
 */
export function renderPgbackrestPolicy(
  bucketArn: string,
  prefix: string,
  kmsKeyArn?: string,
): string {
  const actions = ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"];
  const { pgbackrest } = prefixesOf(prefix);
  return renderPolicy(bucketArn, [pgbackrest], { sid: "PutReadAndDelete", actions }, kmsKeyArn);
}

function renderPolicy(
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
