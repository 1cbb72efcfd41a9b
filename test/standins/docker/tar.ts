export interface TarEntry {
  path: string;
  content?: Buffer;
  mode: number;
  /** Where a symbolic link points. */
  link?: string;
}

const BLOCK = 512;

/** Packs a ustar archive with GNU's long names, owned by root, for the engine's copy and build calls. */
export function tar(entries: TarEntry[]): Buffer {
  const blocks: Buffer[] = [];
  for (const entry of entries) {
    if (Buffer.byteLength(entry.path) > 100) {
      const name = Buffer.from(`${entry.path}\0`);
      blocks.push(header("././@LongLink", name.length, 0, "L"), padded(name));
    }
    const content = entry.content ?? Buffer.alloc(0);
    const type = entry.link === undefined ? "0" : "2";
    blocks.push(header(entry.path, content.length, entry.mode, type, entry.link), padded(content));
  }
  blocks.push(Buffer.alloc(BLOCK * 2));
  return Buffer.concat(blocks);
}

function padded(content: Buffer): Buffer {
  return Buffer.concat([content, Buffer.alloc((BLOCK - (content.length % BLOCK)) % BLOCK)]);
}

function header(path: string, size: number, mode: number, type: string, link = ""): Buffer {
  const block = Buffer.alloc(BLOCK);
  const octal = (value: number, width: number) => `${value.toString(8).padStart(width - 1, "0")}\0`;
  block.write(path.slice(0, 100), 0);
  block.write(octal(mode, 8), 100);
  block.write(octal(0, 8), 108);
  block.write(octal(0, 8), 116);
  block.write(octal(size, 12), 124);
  // A fixed time, so that equal files give equal layers.
  block.write(octal(0, 12), 136);
  block.write("        ", 148);
  block.write(type, 156);
  block.write(link.slice(0, 100), 157);
  block.write("ustar\x0000", 257);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return block;
}
