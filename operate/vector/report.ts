import type pg from "pg";
import { withClient } from "../connect/database.ts";
import { mistake } from "../error.ts";
import type { Settings } from "../settings.ts";
import { type Advice, advise } from "./advise.ts";
import { type Inventory, readInventory, type VectorIndex } from "./inventory.ts";
import { measureRecall, type Recall, type RecallOptions } from "./recall.ts";

export interface VectorReport extends Inventory {
  database: string;
  /** Dimensions of the embedding model, where configured. */
  dimensions: number | null;
  recall: Recall[];
  advice: Advice[];
}

/** Reports the vector columns and indexes, their recall, and advice. Reads only. */
export async function readVectorReport(
  settings: Settings,
  options: RecallOptions & { withRecall: boolean },
  note: (line: string) => void,
): Promise<VectorReport> {
  const { name, owner } = settings.database;
  return withClient(settings, { purpose: "vector" }, async (client) => {
    await client.query("begin read only");
    try {
      // Not as the superuser, because an index expression can call any function.
      if (owner) await client.query(`set local role ${client.escapeIdentifier(owner)}`);
      const inventory = await readInventory(client);
      if (!inventory) {
        throw mistake(`database "${name}" has no pgvector; "pgstead up" creates the extension`);
      }
      const dimensions = settings.vector?.dimensions;
      const recall: Recall[] = [];
      for (const index of options.withRecall ? inventory.indexes.filter(isMeasurable) : []) {
        note(`measuring the recall of ${index.name}, ${options.budgetMs / 1000} s at most`);
        recall.push(await measureInSavepoint(client, settings, index, options));
      }
      const advice = [...advise(inventory, dimensions), ...recall.flatMap(adviseRecall)];
      return { ...inventory, database: name, dimensions: dimensions ?? null, recall, advice };
    } finally {
      await client.query("rollback").catch(() => {});
    }
  });
}

const isMeasurable = ({ valid, rows, bytes }: VectorIndex) => valid && (rows > 0 || bytes > 0);

async function measureInSavepoint(
  client: pg.Client,
  settings: Settings,
  index: VectorIndex,
  options: RecallOptions,
): Promise<Recall> {
  await client.query("savepoint one_index");
  const setting = await readSearchSetting(client, settings, index);
  const recall = await measureRecall(client, index, setting, options);
  // The failure or the settings of one index must not affect the measurement of the next.
  await client.query("rollback to savepoint one_index");
  return recall;
}

/** The application's value: from the configuration, from the settings of its role, or the default. */
async function readSearchSetting(client: pg.Client, settings: Settings, { method }: VectorIndex) {
  const name = method === "hnsw" ? "hnsw.ef_search" : "ivfflat.probes";
  const given = method === "hnsw" ? settings.vector?.efSearch : settings.vector?.probes;
  if (given !== undefined) return { name, value: given };
  const { rows } = await client.query<{ value: string }>(
    `select split_part(each, '=', 2) as value
     from pg_db_role_setting s left join pg_roles r on r.oid = s.setrole, unnest(setconfig) each
     where each like $1 and (s.setrole = 0 or r.rolname = 'app')
       and s.setdatabase in (0, (select oid from pg_database where datname = current_database()))
     order by (s.setrole <> 0) desc, (s.setdatabase <> 0) desc limit 1`,
    [`${name}=%`],
  );
  return { name, value: Number(rows[0]?.value ?? (method === "hnsw" ? 40 : 1)) };
}

const LOW_RECALL = 0.9;

function adviseRecall({ index, recall, setting }: Recall): Advice[] {
  if (recall === null || recall >= LOW_RECALL) return [];
  const text = `finds ${(recall * 100).toFixed(1)} % of the nearest rows with ${setting}; a higher value finds more and takes longer`;
  return [{ kind: "review", about: index, text }];
}
