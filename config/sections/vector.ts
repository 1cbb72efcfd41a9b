import * as z from "zod";
import { vectorFields } from "../agent-fields.ts";

export const vector = z
  .strictObject(vectorFields)
  .optional()
  .describe("What `pgstead vector` compares the database with.");
