/** Starts the jobs in their order, at most `lanes` at a time; returns their results in that order. */
export async function runInLanes<T>(jobs: (() => Promise<T>)[], lanes: number): Promise<T[]> {
  const results: T[] = [];
  const waiting = jobs.entries();
  await Promise.all(Array.from({ length: lanes }, takeJobs));
  return results;

  async function takeJobs() {
    for (const [place, job] of waiting) results[place] = await job();
  }
}
