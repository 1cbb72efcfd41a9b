import { Transform } from "node:stream";

/**
 * Removes CREATE ROLE of the superuser from a dump, because a new cluster has this role already. Reads
 * only up to the first database: after that, the same line may be somebody's data.
 */
export function omitRole(role: string): Transform {
  let globals: Buffer | undefined = Buffer.alloc(0);
  // latin1 keeps every byte, whatever encoding the names have.
  const name = escapePattern(Buffer.from(role).toString("latin1"));
  const statement = new RegExp(`^CREATE ROLE (${name}|"${name.replaceAll('"', '""')}");\n`, "m");
  const cut = (held: Buffer) =>
    Buffer.from(held.toString("latin1").replace(statement, ""), "latin1");
  return new Transform({
    transform(chunk: Buffer, _, done) {
      if (!globals) return done(null, chunk);
      globals = Buffer.concat([globals, chunk]);
      if (!globals.includes("\n\\connect ")) return done();
      const held = globals;
      globals = undefined;
      done(null, cut(held));
    },
    flush(done) {
      done(null, globals && cut(globals));
    },
  });
}

const escapePattern = (text: string) => text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
