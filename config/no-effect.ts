import { LOGIN_ROLES, PGVECTOR_SOURCE_KEYS } from "./choices.ts";
import { DEFAULTS } from "./defaults.ts";
import { PREFIX } from "./prefix.ts";

/** Our keys without their prefix, as they were given: no defaults. */
type Given = Record<string, unknown>;

interface Rule {
  /** Keys that nothing reads while the rule holds. */
  keys: string[];
  holds: (given: Given) => boolean;
  /** Another key and its value, which take the effect away. */
  because: string;
  advice: string;
}

const read = (given: Given, path: string): unknown =>
  path.split(".").reduce<unknown>((value, key) => (value as never)?.[key], given);

const has = (given: Given, path: string) => read(given, path) !== undefined;

const isEmbedded = ({ engine = DEFAULTS.engine }: Given) => engine === "embedded";

const below = (section: string, keys: readonly string[]) => keys.map((key) => `${section}.${key}`);

/** Every key that is read only beside another one. */
const RULES: Rule[] = [
  {
    keys: [
      ...["postgres", "bucket", "backups.webhook", "backups.ping"],
      ...below("migrations", ["command", "image", "urlVariable", "urlScheme"]),
    ],
    holds: isEmbedded,
    because: `${PREFIX}engine is "embedded"`,
    advice: `leave it out, or set ${PREFIX}engine to "docker"`,
  },
  {
    keys: below("postgres.pgvector", PGVECTOR_SOURCE_KEYS),
    holds: (given) => read(given, "postgres.pgvector.from") === "package",
    because: `${PREFIX}postgres.pgvector.from is "package", which installs the version that Debian has`,
    advice: "leave out one of them",
  },
  {
    keys: below("postgres.tls", ["names", "renewal"]),
    holds: (given) => has(given, "postgres.tls.certificate"),
    because: `${PREFIX}postgres.tls.certificate is given, so none is generated`,
    advice: "leave out one of them",
  },
  {
    keys: ["postgres.maintenanceWorkMemMb"],
    holds: (given) => has(given, "postgres.settings.maintenance_work_mem"),
    because: `${PREFIX}postgres.settings.maintenance_work_mem overrides it`,
    advice: "leave out one of them",
  },
  {
    keys: ["postgres.passwordRotation"],
    holds: (given) => LOGIN_ROLES.every((role) => has(given, `postgres.passwords.${role}`)),
    because: `${PREFIX}postgres.passwords gives the password of each role, so none is generated`,
    advice: "leave it out, and change the given passwords",
  },
  {
    keys: ["postgres.provenWithinHours"],
    holds: ({ protect }) => String(protect) === "false",
    because: `${PREFIX}protect is false, so no image needs a proven backup`,
    advice: "leave out one of them",
  },
  {
    keys: below("migrations", ["urlVariable", "urlScheme"]),
    holds: (given) => !has(given, "migrations.command"),
    because: `${PREFIX}migrations.command is not given, and only it reads a URL`,
    advice: "leave it out, or set migrations.command",
  },
  {
    keys: ["backups.recipients"],
    holds: (given) => !has(given, "bucket"),
    because: `${PREFIX}bucket is not given, and only its copies are encrypted to them`,
    advice: "leave it out, or set the bucket",
  },
  {
    keys: ["bucket.coldClass"],
    holds: (given) => !has(given, "bucket.coldAfterDays"),
    because: `${PREFIX}bucket.coldAfterDays is not given, so nothing moves`,
    advice: "leave it out, or set coldAfterDays",
  },
  {
    keys: ["bucket.kmsEndpoint"],
    holds: (given) => !has(given, "bucket.kmsKey"),
    because: `${PREFIX}bucket.kmsKey is not given`,
    advice: "leave it out, or set kmsKey",
  },
  {
    keys: below("bucket", ["retentionDays", "noncurrentDays", "coldAfterDays", "extraRules"]),
    holds: (given) => [read(given, "bucket.without")].flat().includes("lifecycle"),
    because: `${PREFIX}bucket.without has "lifecycle", so nothing expires and nothing moves`,
    advice: "leave out one of them",
  },
];

/** A line for each key that is given and has no effect. */
export function describeKeysWithoutEffect(given: Given): string[] {
  const lines = RULES.filter(({ holds }) => holds(given)).flatMap(({ keys, because, advice }) =>
    keys
      .filter((key) => has(given, key))
      .map((key): [string, string] => [
        key,
        `${PREFIX}${key}: has no effect, because ${because}; ${advice}`,
      ]),
  );
  // One line for a key that two rules refuse.
  return [...new Map(lines.reverse()).values()].reverse();
}
