/** Whether version `a` comes before `b`: `0.8.10` is newer than `0.8.9`. What follows a `-` does not count. */
export function isOlderVersion(a: string, b: string): boolean {
  const [left, right] = [parts(a), parts(b)];
  for (let index = 0; index < Math.max(left.length, right.length); index++) {
    const difference = (left[index] ?? 0) - (right[index] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}

const parts = (version: string) => (version.split("-", 1)[0] as string).split(".").map(Number);
