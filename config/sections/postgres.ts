import * as z from "zod";
import { PGVECTOR_ORIGINS } from "../choices.ts";
import { DEFAULTS } from "../defaults.ts";
import { text, url } from "../fields.ts";
import { serverFields } from "../verb-fields.ts";

const defaults = DEFAULTS.postgres;

const pgvector = z
  .strictObject({
    from: z
      .enum(PGVECTOR_ORIGINS)
      .optional()
      .describe("Compile it from source, or install Debian's package."),
    version: z
      .string()
      .regex(/^\d+\.\d+\.\d+$/, { error: "a version like 0.8.6" })
      .optional()
      .describe("Version to compile; another than the default needs `sha256`."),
    url: url.optional().describe("Address of the source archive, for closed networks."),
    sha256: z
      .string()
      .regex(/^[0-9a-f]{64}$/, { error: "64 hexadecimal digits" })
      .optional()
      .describe("SHA-256 of the source archive."),
    allowBelowFloor: text
      .optional()
      .describe("Version with known faults to accept, written once more."),
  })
  .optional()
  .describe("Which pgvector the image holds, and where it comes from.");

// The files that hold passwords are read without white space at their ends.
const password = text.refine((given) => given === given.trim(), {
  error: "a text without white space at its ends",
});

const passwords = z
  .strictObject({
    migrator: password.optional().describe("Password of the role `migrator`."),
    app: password.optional().describe("Password of the role `app`."),
    readonly: password.optional().describe("Password of the role `readonly`."),
  })
  .optional()
  .describe("Passwords to use instead of generated ones; set them with `--secret`.");

const tls = z
  .strictObject({
    certificate: text.optional().describe("PEM of a certificate. Without it one is generated."),
    key: text.optional().describe("PEM of its private key; set it with `--secret`."),
    required: z
      .boolean()
      .default(false)
      .describe("Refuse connections over the network that do not use TLS."),
    names: z
      .array(text)
      .default([])
      .describe("Names in the generated certificate besides `postgres` and `localhost`."),
    renewal: text.optional().describe("Any text; when it changes, a new certificate is generated."),
  })
  .refine(({ certificate, key }) => !certificate === !key, {
    error: "certificate and key, both or neither",
  })
  .optional()
  .describe("Encrypt connections over the network; `{}` generates a certificate.");

export const postgres = z
  .strictObject({
    version: serverFields.version,
    base: serverFields.base,
    baseImage: text
      .optional()
      .describe("Image to build on instead of the official one, for closed networks."),
    buildNetwork: text
      .optional()
      .describe("Docker network of the build; `host` where a mirror listens on loopback."),
    pgvector,
    superuser: serverFields.superuser,
    passwords,
    passwordRotation: text
      .optional()
      .describe(
        "Any text. Each text has passwords of its own; without it the first ones are used.",
      ),
    maintenanceWorkMemMb: z
      .int()
      .min(16)
      .optional()
      .describe("MB for one index build. By default an eighth of the memory."),
    memoryMb: z
      .int()
      .min(256)
      .optional()
      .describe("MB for the container. By default no limit, and server settings as for 2048."),
    cpus: z
      .int()
      .min(1)
      .optional()
      .describe("Processors for the container. By default no limit, and server settings as for 2."),
    settings: z
      .record(
        z.string().regex(/^[a-z_][a-z0-9_.]*$/),
        z.union([z.string(), z.number(), z.boolean()]),
      )
      .default({})
      .describe(
        "Server settings by name, as in postgresql.conf. They override what the size decides.",
      ),
    tls,
    accept: z
      .array(text)
      .default([])
      .describe("Changes to allow that a guard has refused by name, like `release debian-forky`."),
    provenWithinHours: z
      .int()
      .min(0)
      .default(defaults.provenWithinHours)
      .describe(
        "Before the image of a protected stack changes, its newest proven backup must be younger than these hours; otherwise a backup is taken and proven first. 0 needs none.",
      ),
    image: z
      .string()
      .regex(/^sha256:[0-9a-f]{64}$/, { error: "the id of an image, sha256:..." })
      .optional()
      .describe("Id of an image to run instead of the built one; `pgstead undo` writes it."),
    startSeconds: z
      .int()
      .min(1)
      .default(defaults.startSeconds)
      .describe("Seconds to wait until the server answers. A recovery after a crash counts."),
    stopSeconds: z
      .int()
      .min(1)
      .default(defaults.stopSeconds)
      .describe("Seconds the server has to shut down before it is killed."),
    acceptEmptyVolume: z
      .boolean()
      .default(false)
      .describe("Start with an empty volume although the stack has had data; for one run."),
  })
  .prefault({})
  .describe("The server in its container.");
