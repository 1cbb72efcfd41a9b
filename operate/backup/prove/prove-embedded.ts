import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { withClient } from "../../connect/database.ts";
import { ExpectedError, unreachable } from "../../error.ts";
import { type ScratchRequirements, withScratchDatabase } from "../../scratch/scratch-database.ts";
import type { Settings } from "../../settings.ts";
import { CannotVerify } from "../format/cannot-verify.ts";
import type { Manifest } from "../format/manifest.ts";
import type { RestoreResult } from "../format/proof.ts";
import { compareWithManifest } from "./compare-restored.ts";

/** Restores into a second embedded server, in this process's memory. */
export async function proveEmbedded(
  settings: Settings,
  manifest: Manifest,
  folder: string,
): Promise<RestoreResult> {
  const sql = gunzipSync(readFileSync(join(folder, manifest.dump.file))).toString();
  let isScratchReady = false;
  const started = Date.now();
  try {
    return await withScratchDatabase(settings, findRequirements(sql), async (scratch) => {
      isScratchReady = true;
      await withClient(scratch, { purpose: "verify" }, (client) => client.query(sql)).catch(
        (error) => {
          throw unreachable(`the dump does not restore: ${error.message}`, error);
        },
      );
      const restoreSeconds = (Date.now() - started) / 1000;
      return { ...(await compareWithManifest(scratch, manifest, settings)), restoreSeconds };
    });
  } catch (error) {
    if (!isScratchReady && error instanceof ExpectedError) throw new CannotVerify(error.message);
    throw error;
  }
}

/** A dump does not create the roles that it names, and the extensions must be loaded before it runs. */
function findRequirements(sql: string): ScratchRequirements {
  const findAll = (pattern: RegExp) => [
    ...new Set([...sql.matchAll(pattern)].map(([, name]) => name!)),
  ];
  const roles = findAll(/^(?:ALTER .* OWNER TO|GRANT .* TO|CREATE POLICY .* TO) "?(\w+)"?/gm);
  const existing = ["postgres", "PUBLIC"];
  const extensions = sql.matchAll(
    /^CREATE EXTENSION IF NOT EXISTS "?(\w+)"? WITH SCHEMA "?(\w+)"?;/gm,
  );
  return {
    roles: roles.filter((role) => !existing.includes(role)),
    extensions: [...extensions].map(([, name, schema]) => ({ name: name!, schema: schema! })),
  };
}
