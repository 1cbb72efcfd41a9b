import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { withClient } from "../../connect/database.ts";
import { ExpectedError, unreachable } from "../../error.ts";
import { type ScratchNeeds, withScratch } from "../../scratch/for-migrations.ts";
import type { Settings } from "../../settings.ts";
import { CannotVerify } from "../format/cannot-verify.ts";
import type { Manifest } from "../format/manifest.ts";
import type { Outcome } from "../format/proof.ts";
import { compare } from "./compare-census.ts";

/** The embedded server's scratch is another one of its kind, in this process's memory. */
export async function proveEmbedded(
  settings: Settings,
  manifest: Manifest,
  folder: string,
): Promise<Outcome> {
  const sql = gunzipSync(readFileSync(join(folder, manifest.dump.file))).toString();
  let restored = false;
  const started = Date.now();
  try {
    return await withScratch(settings, needsOf(sql), async (scratch) => {
      restored = true;
      await withClient(scratch, { purpose: "verify" }, (client) => client.query(sql)).catch(
        (error) => {
          throw unreachable(`the dump does not restore: ${error.message}`, error);
        },
      );
      const restoreSeconds = (Date.now() - started) / 1000;
      return { ...(await compare(scratch, manifest, settings)), restoreSeconds };
    });
  } catch (error) {
    if (!restored && error instanceof ExpectedError) throw new CannotVerify(error.message);
    throw error;
  }
}

/** Roles that a dump speaks of are not in it; extensions have to be there before it names them. */
function needsOf(sql: string): ScratchNeeds {
  const all = (pattern: RegExp) => [
    ...new Set([...sql.matchAll(pattern)].map(([, name]) => name!)),
  ];
  const roles = all(/^(?:ALTER .* OWNER TO|GRANT .* TO|CREATE POLICY .* TO) "?(\w+)"?/gm);
  const taken = ["postgres", "PUBLIC"];
  const extensions = sql.matchAll(
    /^CREATE EXTENSION IF NOT EXISTS "?(\w+)"? WITH SCHEMA "?(\w+)"?;/gm,
  );
  return {
    roles: roles.filter((role) => !taken.includes(role)),
    extensions: [...extensions].map(([, name, schema]) => ({ name: name!, schema: schema! })),
  };
}
