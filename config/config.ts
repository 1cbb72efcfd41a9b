import * as pulumi from "@pulumi/pulumi";
import { Cron } from "croner";
import { z } from "zod";
import { BUCKET_SETTINGS } from "../components/bucket/features.ts";
import { COLD_CLASSES } from "../components/bucket/lifecycle.ts";
import { ConfigError } from "../components/error.ts";
import { MAJORS } from "../components/server/tuning.ts";
import { Check, VectorSettings } from "../operate/settings.ts";
import { nearest } from "./nearest.ts";

/** A name that needs no quotes in SQL. */
const identifier = z.string().regex(/^[a-z_][a-z0-9_]{0,62}$/, {
  error: "a name of lower-case letters, digits and _, starting with a letter",
});

/** Flat keys: plain text in the stack's file, so numbers are read from text. */
const flat = {
  engine: z
    .enum(["embedded", "docker"])
    .default("embedded")
    .describe(
      "Where the database lives. `embedded` needs nothing but Node; `docker` runs the image in a container.",
    ),
  publish: z
    .stringbool({ error: "true, false" })
    .default(false)
    .describe("Publish the port of a server in a container on 127.0.0.1 of its machine."),
  protect: z
    .stringbool({ error: "true, false" })
    .default(true)
    .describe("Refuse to delete what the stack remembers: passwords and the facts of the cluster."),
  port: z.coerce.number().int().min(1024).max(65535).default(5433).describe("Port on 127.0.0.1."),
  database: identifier.default("app").describe("Name of the database."),
};

const text = z.string().min(1);
const pgvector = z
  .strictObject({
    from: z.enum(["source", "package"]).optional(),
    version: z
      .string()
      .regex(/^\d+\.\d+\.\d+$/, { error: "a version like 0.8.6" })
      .optional(),
    url: z.url().optional(),
    sha256: z
      .string()
      .regex(/^[0-9a-f]{64}$/, { error: "64 hexadecimal digits" })
      .optional(),
    allowBelowFloor: text.optional(),
  })
  .optional();

const postgres = z
  .strictObject({
    version: z.coerce
      .string()
      .regex(new RegExp(`^(${MAJORS.join("|")})(\\.\\d+)?$`), {
        error: `${MAJORS.join(", ")}, or a minor of theirs, like 18.1`,
      })
      .default("18")
      .describe(`Major version, ${MAJORS.join(" or ")}, or major and minor.`),
    base: z
      .enum(["alpine", "debian"])
      .default("alpine")
      .describe("Distribution of the image; a cluster stays on the one it was made on."),
    baseImage: text
      .optional()
      .describe("Image to build on, for closed networks, instead of the official one."),
    buildNetwork: text
      .optional()
      .describe("Network of the build, for mirrors on loopback: `host`."),
    pgvector: pgvector.describe(
      "`from` source or package, `version`, and for closed networks `url` and `sha256` of the source.",
    ),
    superuser: identifier
      .default("postgres")
      .describe("Name of the superuser, who has no password."),
    passwords: z
      .strictObject({ migrator: text.optional(), app: text.optional(), readonly: text.optional() })
      .optional()
      .describe("Passwords that are given instead of generated."),
    passwordRotation: text.optional().describe("Another value generates all passwords anew."),
    maintenanceWorkMemMb: z
      .int()
      .min(16)
      .optional()
      .describe("MB for one index build, an eighth of the memory without it."),
    memoryMb: z
      .int()
      .min(256)
      .optional()
      .describe("MB for the container; without it no limit, and settings as for 2048."),
    cpus: z
      .int()
      .min(1)
      .optional()
      .describe("Processors for the container; without it no limit, and settings as for 2."),
    settings: z
      .record(
        z.string().regex(/^[a-z_][a-z0-9_.]*$/),
        z.union([z.string(), z.number(), z.boolean()]),
      )
      .default({})
      .describe("Server settings by name, as in postgresql.conf, before those made of its size."),
    tls: z
      .strictObject({
        certificate: text.optional().describe("PEM of a certificate; one is made without it."),
        key: text.optional().describe("PEM of its private key; set it with `--secret`."),
        required: z
          .boolean()
          .default(false)
          .describe("Let nobody in over the network without TLS."),
        names: z
          .array(text)
          .default([])
          .describe("Names for the made certificate besides `postgres` and `localhost`."),
        renewal: text.optional().describe("Another value makes a new certificate."),
      })
      .refine(({ certificate, key }) => !certificate === !key, {
        error: "certificate and key, both or neither",
      })
      .optional()
      .describe("Encrypts what comes over the network; `{}` makes a certificate."),
    accept: z
      .array(text)
      .default([])
      .describe("Changes that a guard has refused and named, like `release debian-forky`."),
    provenWithinHours: z
      .int()
      .min(0)
      .default(24)
      .describe(
        "How old the newest proven backup of a protected stack may be when its image changes; an older one is made up for first. 0 asks for none.",
      ),
    image: z
      .string()
      .regex(/^sha256:[0-9a-f]{64}$/, { error: "the id of an image, sha256:..." })
      .optional()
      .describe("Run this image instead of the one that is built; `pgstead undo` writes it."),
    startSeconds: z
      .int()
      .min(1)
      .default(300)
      .describe("How long the server may take until it answers; a recovery counts."),
    stopSeconds: z
      .int()
      .min(1)
      .default(120)
      .describe("How long the server may take to write everything down before it is killed."),
    acceptEmptyVolume: z
      .boolean()
      .default(false)
      .describe("Begin with an empty volume though the stack has had data; for one run."),
  })
  .prefault({});

/** Structured keys: set by hand in the stack's file or with `pulumi config set --path`. */
const sections = {
  postgres: postgres.describe("The server in its container."),
  migrations: z
    .strictObject({
      folder: z
        .string()
        .min(1)
        .default("migrations")
        .describe("Folder of the SQL files, relative to the project."),
      files: text.default("*").describe("Which names in it are migrations, as a glob."),
      outOfOrder: z
        .enum(["refuse", "apply", "skip"])
        .default("refuse")
        .describe("What `up` does with files older than the newest applied one."),
      runOn: z
        .enum(["always", "changed"])
        .default("always")
        .describe("Run the migration step on each `up`, or only when something is pending."),
      command: text
        .optional()
        .describe("Another migrator's shell command, like `alembic upgrade head`."),
      image: text.optional().describe("Image in which `command` runs, on the stack's network."),
      urlVariable: z
        .string()
        .regex(/^[A-Za-z_][A-Za-z0-9_]*$/)
        .default("DATABASE_URL")
        .describe("Environment variable from which `command` reads the URL."),
      urlScheme: text.default("postgresql").describe("Scheme of that URL."),
    })
    .refine(({ command, image }) => !command === !image, {
      error: "command and image, both or neither",
    })
    .prefault({})
    .describe("How `migrations/` reaches the database."),
  backups: z
    .strictObject({
      schedule: z
        .string()
        .refine(isSchedule, { error: "a cron expression: minute hour day month weekday" })
        .default("0 2 * * *")
        .describe("When backups are taken, as a cron expression in UTC."),
      keepDays: z
        .int()
        .min(1)
        .default(7)
        .describe(
          "Days that copies on the backup volume are kept; the newest good and the newest proven always are.",
        ),
      keepWeeks: z
        .int()
        .min(0)
        .default(0)
        .describe("Weeks beyond them of which the newest good copy is kept."),
      keepMonths: z
        .int()
        .min(0)
        .default(0)
        .describe("Months beyond them of which the newest good copy is kept."),
      reserveMegabytes: z
        .int()
        .min(0)
        .default(512)
        .describe("Room that a dump and its verification must leave on the backup volume."),
      maxProvenHours: z
        .number()
        .positive()
        .optional()
        .describe(
          "Age of the newest proven backup from which the agent is unhealthy; by default two runs and two hours.",
        ),
      webhook: z
        .url({ error: "a URL" })
        .optional()
        .describe(
          "Address that gets one JSON POST on failure and one on recovery; may be a secret.",
        ),
      ping: z
        .url({ error: "a URL" })
        .optional()
        .describe(
          "Address of a dead man's switch, asked after each proven backup; may be a secret.",
        ),
      recipients: z
        .array(z.string().regex(/^age1[a-z0-9]+$/, { error: "a public key of age: age1..." }))
        .default([])
        .describe(
          "Public keys of `age` that the bucket's copies are encrypted to; keep the private one elsewhere.",
        ),
      verify: z
        .enum(["each", "daily", "weekly"])
        .default("each")
        .describe("How often a backup is restored into a scratch server, which alone proves it."),
      auditHead: z
        .string()
        .regex(/^[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?$/, { error: "a table like audit.head" })
        .optional()
        .describe(
          "Table with one row, the newest entry of an audit log; each manifest quotes it, and a restored copy must have the same.",
        ),
    })
    .prefault({})
    .describe("When dumps are taken, and how long they stay on the host."),
  bucket: z
    .strictObject({
      name: z
        .string()
        .regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, {
          error: "3 to 63 lower-case letters, digits, - and .",
        })
        .optional()
        .describe("Name of the bucket; one is made up without it."),
      region: z.string().min(1).default("us-east-1").describe("Region of AWS."),
      prefix: z
        .string()
        .regex(/^([A-Za-z0-9_.-]+\/)*$/, { error: "nothing, or names that each end in /" })
        .default("")
        .describe("Begins every key, for a bucket of several stacks."),
      endpoint: z
        .url({ error: "a URL" })
        .optional()
        .describe("An S3-compatible service instead of AWS."),
      iamEndpoint: z
        .url({ error: "a URL" })
        .optional()
        .describe("IAM of that service; without it `accessKey` must be given."),
      accessKey: z
        .strictObject({ id: z.string().min(1), secret: z.string().min(1) })
        .optional()
        .describe("The agent's key where none can be made; set it with `--secret`."),
      retentionDays: z.int().min(1).default(30).describe("Days that dumps stay in the bucket."),
      noncurrentDays: z
        .int()
        .min(1)
        .default(30)
        .describe("Days that deleted and overwritten objects can still be brought back."),
      minBackups: z
        .int()
        .min(1)
        .max(100)
        .default(3)
        .describe(
          "Restorable backups that lie in the bucket at every moment, or `preview` refuses.",
        ),
      coldAfterDays: z
        .int()
        .min(1)
        .optional()
        .describe("Days after which dumps move to `coldClass`; never without it."),
      coldClass: z
        .enum(COLD_CLASSES)
        .default("STANDARD_IA")
        .describe("Storage of older dumps; from the last two they cannot be restored at once."),
      kmsKey: z
        .string()
        .regex(/^(make|arn:.+)$/, { error: "`make`, or the ARN of a key" })
        .optional()
        .describe("KMS key that encrypts: `make`, or an ARN; S3's own keys without it."),
      kmsEndpoint: z
        .url({ error: "a URL" })
        .optional()
        .describe("KMS of `endpoint`, where it has one."),
      roleArn: z
        .string()
        .regex(/^arn:[^:]+:iam::\d*:role\/.+$/, { error: "the ARN of a role" })
        .optional()
        .describe(
          "Role of the machine the agent runs on: it is given the rights, and no key is made.",
        ),
      pgbackrest: z
        .boolean()
        .default(false)
        .describe("Make a second key, which may delete, but under `pgbackrest/` alone."),
      without: z
        .array(z.enum(BUCKET_SETTINGS))
        .default([])
        .describe(
          "Settings that are left alone, because the service lacks them or the adopted bucket keeps its own.",
        ),
      adopt: z
        .strictObject({ raise: z.array(z.enum(BUCKET_SETTINGS)).default([]) })
        .optional()
        .describe(
          "Take over the bucket `name`, which exists; `raise` names the weaker settings that are changed.",
        ),
      objectLock: z
        .strictObject({ mode: z.enum(["GOVERNANCE", "COMPLIANCE"]), days: z.int().min(1) })
        .optional()
        .describe(
          "Nobody may delete for so many days: GOVERNANCE but with a permission of its own, COMPLIANCE not even the account's owner.",
        ),
      extraRules: z
        .array(
          z.strictObject({
            id: text,
            prefix: z.string(),
            expireDays: z.int().min(1).optional(),
            coldAfterDays: z.int().min(1).optional(),
            coldClass: z.enum(COLD_CLASSES).optional(),
          }),
        )
        .default([])
        .describe(
          "Lifecycle rules for what else lies in the bucket: `{id, prefix, expireDays, coldAfterDays, coldClass}`.",
        ),
      protect: z
        .boolean()
        .default(true)
        .describe("Refuse to delete the bucket. Turn off only where nobody needs the backups."),
    })
    .optional()
    .describe("The S3 bucket for backups; `{}` makes one, and without the section there is none."),
  vector: VectorSettings.optional().describe("What `pgstead vector` compares with."),
  checks: z
    .array(Check)
    .default([])
    .describe(
      "What `pgstead check` asks besides health and extension: `{name, sql, expect}` compares the first column of the first row, `{name, url, expect}` the HTTP status.",
    ),
};

export const schema = { flat, sections };
export const StackConfig = z
  .strictObject({ ...flat, ...sections })
  .refine(({ engine, backups }) => engine === "docker" || !(backups.webhook || backups.ping), {
    path: ["backups"],
    error: "webhook and ping only with engine docker, whose agent tells them",
  });
export type StackConfig = z.infer<typeof StackConfig>;

function isSchedule(text: string): boolean {
  try {
    return new Cron(text, { timezone: "UTC", paused: true }).nextRun() !== null;
  } catch {
    return false;
  }
}

/** What the migration engine goes by, whatever engine the database stands on. */
export const migrationRules = ({ migrations: { files, outOfOrder }, protect }: StackConfig) => ({
  files,
  outOfOrder,
  protected: protect,
});

const PREFIX = "pgstead:";

/** The one reader of configuration; throws once, with every mistake in it. */
export function readConfig(): StackConfig {
  const secretKeys: string[] = JSON.parse(process.env.PULUMI_CONFIG_SECRET_KEYS || "[]");
  return parseConfig(pulumi.getStack(), pulumi.runtime.allConfig(), (key) =>
    secretKeys.includes(key),
  );
}

export function parseConfig(
  stack: string,
  raw: Record<string, string>,
  isSecret: (key: string) => boolean = () => false,
): StackConfig {
  const ours = Object.entries(raw).filter(([key]) => key.startsWith(PREFIX));
  const mistakes: string[] = [];
  const values: Record<string, unknown> = {};
  for (const [key, text] of ours) {
    const name = key.slice(PREFIX.length);
    if (name in sections) {
      try {
        values[name] = JSON.parse(text);
      } catch {
        mistakes.push(`${key}: is a section, got ${isSecret(key) ? "a secret text" : `"${text}"`}`);
      }
    } else {
      values[name] = text;
    }
  }
  const parsed = StackConfig.safeParse(values);
  if (!parsed.success) {
    const broken = new Set(mistakes.map((line) => line.split(":", 2)[1]));
    mistakes.push(
      ...parsed.error.issues
        .flatMap((issue) => flattenUnion(issue))
        .filter((issue) => !broken.has(String(issue.path[0])))
        .flatMap((issue) => describeIssue(issue, values, isSecret)),
    );
  }
  if (mistakes.length > 0 || !parsed.success) {
    const count = mistakes.length === 1 ? "a mistake" : `${mistakes.length} mistakes`;
    throw new ConfigError(
      `the configuration of stack "${stack}" has ${count}:\n${mistakes.map((line) => `  ${line}`).join("\n")}`,
    );
  }
  return parsed.data;
}

type Issue = z.core.$ZodIssue;

/** Of the shapes a value may have, the one it comes nearest to is the one that was meant. */
function flattenUnion(issue: Issue): Issue[] {
  if (issue.code !== "invalid_union") return [issue];
  const [nearestShape] = [...issue.errors].sort((a, b) => a.length - b.length);
  if (
    !nearestShape ||
    nearestShape.some(({ path }) => path.length === 0 && issue.path.length > 2)
  ) {
    return [issue];
  }
  return nearestShape.map((inner) => ({ ...inner, path: [...issue.path, ...inner.path] }) as Issue);
}

function describeIssue(
  issue: Issue,
  values: Record<string, unknown>,
  isSecret: (key: string) => boolean,
): string[] {
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map(
      (key) => `${keyOf([...issue.path, key])}: unknown key${suggestion(issue.path, key)}`,
    );
  }
  const got = issue.path.reduce<unknown>((value, part) => (value as never)?.[part], values);
  const secret = isSecret(`${PREFIX}${String(issue.path[0])}`);
  const shown = got === undefined ? "nothing" : secret ? "a secret" : JSON.stringify(got);
  return [`${keyOf(issue.path)}: got ${shown}, allowed: ${allowed(issue)}`];
}

const keyOf = (path: PropertyKey[]) => PREFIX + path.map(String).join(".");

function suggestion(path: PropertyKey[], key: string): string {
  const close = nearest(key, knownKeys(path));
  return close ? `; did you mean "${keyOf([...path, close])}"?` : "";
}

function knownKeys(path: PropertyKey[]): string[] {
  let node: unknown = StackConfig;
  for (const part of path) node = childOf(node, part);
  return Object.keys((unwrap(node) as { shape?: object } | undefined)?.shape ?? {});
}

const childOf = (node: unknown, part: PropertyKey) =>
  (unwrap(node) as { shape?: Record<PropertyKey, unknown> } | undefined)?.shape?.[part];

/** Past `.default()`, `.prefault()` and `.optional()`, to the type that holds the keys. */
export function unwrap(node: unknown): unknown {
  let inner = node as { def?: { innerType?: unknown } } | undefined;
  while (inner?.def?.innerType) inner = inner.def.innerType as typeof inner;
  return inner;
}

function allowed(issue: Issue): string {
  switch (issue.code) {
    case "invalid_value":
      return issue.values.map((value) => JSON.stringify(value)).join(", ");
    case "too_small":
      return `${issue.minimum} or more`;
    case "too_big":
      return `${issue.maximum} or less`;
    case "invalid_union":
      return "a text, a number, or true and false";
    case "invalid_type":
      return issue.expected === "int" ? "a whole number" : `a value of type ${issue.expected}`;
    default:
      return issue.message;
  }
}
