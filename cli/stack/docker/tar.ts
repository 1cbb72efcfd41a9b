import { readdirSync, readFileSync, realpathSync, type Stats, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { mistake } from "../../../operate/error.ts";

const BLOCK = 512;

export interface TarEntry {
  path: string;
  content?: Buffer;
  /** Permissions. @default 0o644 */
  mode?: number;
  /** Where a symbolic link points. */
  link?: string;
}

export const packFolder = (folder: string): Buffer =>
  pack(filesBelow(folder).map((path) => ({ path, content: readFileSync(join(folder, path)) })));

/**
 * A ustar archive that root owns: equal files make equal bytes. The tar of the system adds owners,
 * times and, on some systems, files of its own.
 */
export function pack(entries: TarEntry[]): Buffer {
  const blocks = entries.flatMap((entry) => {
    const content = entry.content ?? Buffer.alloc(0);
    return [header(entry, content.length), content, padding(content.length)];
  });
  return Buffer.concat([...blocks, Buffer.alloc(2 * BLOCK)]);
}

function filesBelow(folder: string, below = ""): string[] {
  let entries: import("node:fs").Dirent[];
  try {
    entries = readdirSync(join(folder, below), { withFileTypes: true });
  } catch (error) {
    throw mistake(`cannot read the migrations folder: ${(error as Error).message}`, error);
  }
  return entries
    .flatMap((entry) => {
      const path = below ? `${below}/${entry.name}` : entry.name;
      const found = entry.isSymbolicLink() ? follow(join(folder, path)) : entry;
      if (found?.isDirectory()) return filesBelow(folder, path);
      if (found?.isFile()) return [path];
      if (!path.endsWith(".sql")) return [];
      throw mistake(
        `${join(folder, path)} is not a regular file, or a link to nothing; remove or rename it`,
      );
    })
    .sort();
}

/** A link to a folder that contains it would never end. */
function follow(link: string): Stats | undefined {
  const target = statSync(link, { throwIfNoEntry: false });
  return target?.isDirectory() && isInside(realpathSync(dirname(link)), realpathSync(link))
    ? undefined
    : target;
}

const isInside = (path: string, folder: string) => `${path}/`.startsWith(`${folder}/`);

const padding = (length: number) => Buffer.alloc((BLOCK - (length % BLOCK)) % BLOCK);

function header({ path, mode = 0o644, link }: TarEntry, size: number): Buffer {
  const { name, prefix } = splitName(path);
  const block = Buffer.alloc(BLOCK);
  block.write(name, 0);
  block.write(`${mode.toString(8).padStart(7, "0")}\0`, 100);
  block.write("0000000\0", 108);
  block.write("0000000\0", 116);
  block.write(`${size.toString(8).padStart(11, "0")} `, 124);
  block.write("00000000000 ", 136);
  // The checksum is computed with eight spaces in its own field.
  block.write("        ", 148);
  block.write(link === undefined ? "0" : "2", 156);
  block.write(link ?? "", 157, 100);
  block.write("ustar\u000000", 257);
  block.write(prefix, 345);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return block;
}

/** The format holds 100 bytes of name and 155 of folders before it. */
function splitName(path: string): { name: string; prefix: string } {
  if (Buffer.byteLength(path) <= 100) return { name: path, prefix: "" };
  const slash = path.lastIndexOf("/");
  const [prefix, name] = [path.slice(0, Math.max(slash, 0)), path.slice(slash + 1)];
  if (Buffer.byteLength(name) <= 100 && Buffer.byteLength(prefix) <= 155) return { name, prefix };
  throw mistake(`the file name ${path} is too long; 100 bytes is the limit`);
}
