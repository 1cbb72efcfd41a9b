export type Note = (line: string) => void;

const FIRST_MS = 2_000;
const NEXT_MS = 10_000;

/** Says how far `use` has come, as soon as somebody would begin to wonder. */
export async function withProgress<T>(
  note: Note | undefined,
  describe: () => string,
  use: () => Promise<T>,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const tell = () => {
    note?.(describe());
    timer = setTimeout(tell, NEXT_MS).unref();
  };
  timer = setTimeout(tell, FIRST_MS).unref();
  try {
    return await use();
  } finally {
    clearTimeout(timer);
  }
}
