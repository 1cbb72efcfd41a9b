import { Transform } from "node:stream";

/**
 * A dump of a cluster makes every role, the superuser among them, which a new cluster has already. Only
 * what stands before the first database is looked at: below, the same line may be somebody's data.
 */
export function withoutRole(role: string): Transform {
  let globals: Buffer | undefined = Buffer.alloc(0);
  // Bytes as characters, whatever encoding the names are in.
  const name = escaped(Buffer.from(role).toString("latin1"));
  const made = new RegExp(`^CREATE ROLE (${name}|"${name.replaceAll('"', '""')}");\n`, "m");
  const cut = (held: Buffer) => Buffer.from(held.toString("latin1").replace(made, ""), "latin1");
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

const escaped = (text: string) => text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
