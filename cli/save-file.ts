import { once } from "node:events";
import { createWriteStream, renameSync, rmSync } from "node:fs";
import type { Writable } from "node:stream";
import { cannotWrite } from "../operate/error.ts";

/**
 * Writes a file of the person's, `-` for stdout. The file gets its name once it is complete; whatever
 * goes wrong, a signal too, leaves nothing behind.
 */
export async function saveFile<T>(
  out: string,
  write: (target: Writable) => Promise<T>,
  nameOf: (result: T) => string = () => out,
): Promise<T> {
  if (out === "-") return write(process.stdout);
  const partial = `${out}.partial`;
  const file = createWriteStream(partial, { mode: 0o600 });
  const remove = () => rmSync(partial, { force: true });
  try {
    await once(file, "open");
  } catch (error) {
    throw cannotWrite(`cannot write ${out}: ${(error as Error).message}`, error);
  }
  process.once("exit", remove);
  try {
    const broken = once(file, "error").then(([error]) => {
      throw cannotWrite(`cannot write ${out}: ${(error as Error).message}`, error);
    });
    const result = await Promise.race([write(file), broken]);
    await Promise.race([new Promise<void>((done) => file.end(() => done())), broken]);
    renameSync(partial, nameOf(result as T));
    return result as T;
  } finally {
    process.off("exit", remove);
    file.destroy();
    remove();
  }
}
