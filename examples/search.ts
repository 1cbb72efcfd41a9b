/*
 * An application that uses the stack's database. It stores three texts and lists them by similarity.
 *
 *   DATABASE_URL=$(pgstead outputs --env | sed -n 's/^DATABASE_URL=//p') npx tsx examples/search.ts "a cat on a sofa"
 */
import pg from "pg";
import { embed } from "./app/embed.ts";

const texts = [
  "cats sleep on every sofa",
  "the train to Prague leaves at nine",
  "sourdough needs a warm kitchen",
];

const client = new pg.Client({ connectionString: process.env.DATABASE_URL });
await client.connect();
const tenant = await client.query(
  `INSERT INTO tenants (name) VALUES ('Demo')
   ON CONFLICT (lower(name)) DO UPDATE SET name = excluded.name RETURNING id`,
);
await client.query("DELETE FROM documents WHERE tenant_id = $1", [tenant.rows[0].id]);
for (const text of texts) {
  await client.query(
    "INSERT INTO documents (tenant_id, title, body, embedding) VALUES ($1, $2, $2, $3)",
    [tenant.rows[0].id, text, embed(text)],
  );
}
const found = await client.query(
  `SELECT title, round((embedding <=> $1)::numeric, 3) AS distance
   FROM documents WHERE tenant_id = $2 ORDER BY embedding <=> $1 LIMIT 3`,
  [embed(process.argv[2] ?? "a cat on a sofa"), tenant.rows[0].id],
);
for (const { title, distance } of found.rows) console.log(`${distance}  ${title}`);
await client.end();
