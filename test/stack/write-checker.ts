import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";

/** An application that writes rows one by one, connects again after each loss, and knows what was acknowledged. */
export class WriteChecker {
  url: string;
  private acknowledged: number[] = [];
  private stopped = false;
  private readonly writing: Promise<void>;

  private constructor(url: string) {
    this.url = url;
    this.writing = this.write();
  }

  static async start(url: string): Promise<WriteChecker> {
    const client = await connect(url);
    await client.query("select from written limit 1");
    await client.end();
    return new WriteChecker(url);
  }

  get count(): number {
    return this.acknowledged.length;
  }

  /** The acknowledged rows that the server does not have. */
  async findLost(): Promise<number[]> {
    const written = [...this.acknowledged];
    const client = await connect(this.url);
    const { rows } = await client.query("select n from written");
    await client.end();
    const found = new Set(rows.map(({ n }) => Number(n)));
    return written.filter((n) => !found.has(n));
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await this.writing;
  }

  private async write(): Promise<void> {
    for (let n = 0; !this.stopped; ) {
      const client = await connect(this.url).catch(() => undefined);
      try {
        for (; client && !this.stopped; n++) {
          await client.query("insert into written values ($1)", [n]);
          this.acknowledged.push(n);
          await sleep(5);
        }
      } catch {
        // The server is down or is replaced. This row may be there or not: the next one has another number.
        n++;
      }
      await client?.end().catch(() => {});
      await sleep(200);
    }
  }
}

async function connect(connectionString: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString, connectionTimeoutMillis: 3_000 });
  client.on("error", () => {});
  await client.connect();
  return client;
}
