import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { mistake } from "../../../operate/error.ts";

const BLOCK = 512;

/**
 * The files of a folder as a ustar archive: same bytes for same files, whoever packs them. The tar of
 * the system would add owners, times and, on some, files of its own.
 */
export function packFolder(folder: string): Buffer {
  const blocks: Buffer[] = [];
  for (const path of filesBelow(folder)) {
    const content = readFileSync(join(folder, path));
    blocks.push(header(path, content.length), content, padding(content.length));
  }
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
      if (entry.isDirectory()) return filesBelow(folder, path);
      return entry.isFile() ? [path] : [];
    })
    .sort();
}

const padding = (length: number) => Buffer.alloc((BLOCK - (length % BLOCK)) % BLOCK);

function header(path: string, size: number): Buffer {
  const { name, prefix } = splitName(path);
  const block = Buffer.alloc(BLOCK);
  block.write(name, 0);
  block.write("0000644\0", 100);
  block.write("0000000\0", 108);
  block.write("0000000\0", 116);
  block.write(`${size.toString(8).padStart(11, "0")} `, 124);
  block.write("00000000000 ", 136);
  // The checksum counts itself as eight spaces.
  block.write("        ", 148);
  block.write("0", 156);
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
