import * as z from "zod";
import { sqlCheckFields, urlCheckFields } from "../agent-fields.ts";

export const checks = z
  .array(z.union([z.strictObject(sqlCheckFields), z.strictObject(urlCheckFields)]))
  .default([])
  .describe(
    "More checks for `pgstead check`: `{name, sql, expect}` compares the first column of the first row, `{name, url, expect}` the HTTP status.",
  );
