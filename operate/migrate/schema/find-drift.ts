import type { Settings } from "../../settings.ts";
import { appliedVersions, replay } from "./replay.ts";
import { readLiveSchema } from "./schema-file.ts";
import type { SchemaObject } from "./schema-object.ts";

export interface Difference {
  what: "missing" | "extra" | "changed";
  kind: string;
  name: string;
  /** The SQL of the object by the files, and in the live database. */
  files: string | null;
  live: string | null;
}

export interface VerifyResult {
  database: string;
  objects: number;
  differences: Difference[];
}

/** Drift is what somebody changed by hand: the live schema is compared with the schema of the applied files. */
export async function verify(settings: Settings): Promise<VerifyResult> {
  const live = await readLiveSchema(settings);
  const only = await appliedVersions(settings);
  return replay(settings, only, async (_scratch, expected) => ({
    database: settings.database.name,
    objects: live.length,
    differences: differences(expected, live),
  }));
}

export function differences(expected: SchemaObject[], live: SchemaObject[]): Difference[] {
  const [wanted, found] = [byIdentity(expected), byIdentity(live)];
  const result: Difference[] = [];
  for (const [identity, { kind, name, sql }] of wanted) {
    const there = found.get(identity);
    if (!there) result.push({ what: "missing", kind, name, files: sql, live: null });
    else if (there.sql !== sql)
      result.push({ what: "changed", kind, name, files: sql, live: there.sql });
  }
  for (const [identity, { kind, name, sql }] of found) {
    if (!wanted.has(identity)) result.push({ what: "extra", kind, name, files: null, live: sql });
  }
  return result;
}

const byIdentity = (objects: SchemaObject[]) =>
  new Map(objects.map((object) => [`${object.kind} ${object.name}`, object]));
