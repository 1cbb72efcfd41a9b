const DIMENSIONS = 1536;

/** Replaces an embedding model: hashes the words of a text into a unit vector. */
export function embed(text: string): string {
  const vector = new Array<number>(DIMENSIONS).fill(0);
  for (const word of text.toLowerCase().match(/[a-z]+/g) ?? []) {
    const stem = word.replace(/s$/, "");
    let slot = 7;
    for (const letter of stem) slot = (slot * 31 + letter.charCodeAt(0)) % DIMENSIONS;
    vector[slot]! += stem.length > 2 ? 1 : 0.1;
  }
  const length = Math.hypot(...vector) || 1;
  return `[${vector.map((value) => value / length).join(",")}]`;
}
