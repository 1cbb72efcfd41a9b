import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import pg from "pg";
import { embed } from "./embed.ts";

const texts = [
  "cats sleep on every sofa",
  "the train to Prague leaves at nine",
  "sourdough needs a warm kitchen",
];

// A pool reconnects when the server is replaced.
const pool = new pg.Pool({
  connectionString: readFileSync("/app/database-url", "utf8").trim(),
  max: 4,
});
pool.on("error", () => {});

async function nearest(text: string) {
  const { rows } = await pool.query(
    `SELECT title, round((embedding <=> $1)::numeric, 3)::float8 AS distance
     FROM documents JOIN tenants ON tenants.id = tenant_id
     WHERE tenants.name = 'Example' ORDER BY embedding <=> $1 LIMIT 3`,
    [embed(text)],
  );
  return rows;
}

async function fill(): Promise<void> {
  const client = await pool.connect();
  try {
    await client.query("BEGIN");
    const { rows } = await client.query(
      `INSERT INTO tenants (name) VALUES ('Example') ON CONFLICT (lower(name)) DO NOTHING RETURNING id`,
    );
    for (const text of rows.length > 0 ? texts : []) {
      await client.query(
        "INSERT INTO documents (tenant_id, title, body, embedding) VALUES ($1, $2, $2, $3)",
        [rows[0].id, text, embed(text)],
      );
    }
    await client.query("COMMIT");
  } catch (error) {
    await client.query("ROLLBACK").catch(() => {});
    throw error;
  } finally {
    client.release();
  }
}

createServer(async (request, response) => {
  try {
    await fill();
    const like = new URL(request.url ?? "/", "http://app").searchParams.get("like") ?? "a cat";
    response.end(`${JSON.stringify(await nearest(like))}\n`);
  } catch (error) {
    response.statusCode = 503;
    response.end(`${(error as Error).message}\n`);
  }
}).listen(8080);
