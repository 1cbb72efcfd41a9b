export type Note = (line: string) => void;

const FIRST_MS = 2_000;
const NEXT_MS = 10_000;

/** Reports the progress of `use` after two seconds and then every ten seconds. */
export async function withProgress<T>(
  note: Note | undefined,
  describe: () => string,
  use: () => Promise<T>,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const report = () => {
    note?.(describe());
    timer = setTimeout(report, NEXT_MS).unref();
  };
  timer = setTimeout(report, FIRST_MS).unref();
  try {
    return await use();
  } finally {
    clearTimeout(timer);
  }
}
