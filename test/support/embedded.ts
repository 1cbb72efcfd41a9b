import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PGlite } from "@electric-sql/pglite";
import { pgcrypto } from "@electric-sql/pglite/contrib/pgcrypto";
import { vector } from "@electric-sql/pglite-pgvector";
import { type Backend, SharedSession } from "../../operate/embedded/shared-session.ts";
import type { Settings } from "../../operate/settings.ts";

/** Runs the embedded engine in memory, in this process, behind a socket of its own. */
export async function withEmbedded<T>(
  folder: string,
  use: (settings: Settings, database: PGlite) => Promise<T>,
): Promise<T> {
  const place = mkdtempSync(join(tmpdir(), "pgstead-embedded-"));
  const database = await PGlite.create({ extensions: { vector, pgcrypto } });
  const backend = database as unknown as Backend;
  const session = new SharedSession(backend, async () => backend);
  const server = createServer((socket) => session.accept(socket));
  await new Promise<void>((resolve) => server.listen(join(place, ".s.PGSQL.5432"), resolve));
  try {
    const settings: Settings = {
      stack: "local",
      engine: "embedded",
      database: { host: place, port: 5432, name: "app", user: "postgres" },
      migrations: { folder, files: "*", outOfOrder: "refuse", protected: false },
      checks: [],
    };
    return await use(settings, database);
  } finally {
    server.close();
    await session.drain();
    await database.close();
    rmSync(place, { recursive: true, force: true });
  }
}
