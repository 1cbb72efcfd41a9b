import * as z from "zod";
import { DEFAULTS } from "./defaults.ts";
import { booleanText } from "./fields.ts";
import { backups } from "./sections/backups.ts";
import { bucket } from "./sections/bucket.ts";
import { checks } from "./sections/checks.ts";
import { migrations } from "./sections/migrations.ts";
import { postgres } from "./sections/postgres.ts";
import { vector } from "./sections/vector.ts";
import { flatFields } from "./verb-fields.ts";

/** Plain text in the stack's file; numbers are read from text. */
const flat = {
  engine: flatFields.engine,
  publish: booleanText
    .default(false)
    .describe("Publish the port of a server in a container on 127.0.0.1 of its machine."),
  protect: flatFields.protect,
  port: z.coerce
    .number()
    .int()
    .min(1024)
    .max(65535)
    .default(DEFAULTS.port)
    .describe("Port on 127.0.0.1."),
  database: flatFields.database,
};

/** Structured: set by hand in the stack's file, or with `pulumi config set --path`. */
const sections = { postgres, migrations, backups, bucket, vector, checks };

export const schema = { flat, sections };

/** The keys `pgstead:...` of a stack's file. */
export const StackConfig = z.strictObject({ ...flat, ...sections });
export type StackConfig = z.infer<typeof StackConfig>;
