import { createServer, type Server, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { PGlite } from "@electric-sql/pglite";
import pg from "pg";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { type Backend, SharedSession } from "../../operate/embedded/shared-session.ts";

let database: PGlite;
let server: Server;
let port: number;
let reopened = 0;

beforeAll(async () => {
  database = await PGlite.create();
  const session = new SharedSession(database as Backend, async () => {
    reopened++;
    database = await PGlite.create();
    return database as Backend;
  });
  server = createServer((socket) => session.accept(socket));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  port = (server.address() as { port: number }).port;
});
afterAll(() => server.close());
beforeEach(async () => {
  await withClients(1, ([client]) =>
    client!.query("DROP TABLE IF EXISTS t; CREATE TABLE t (n int, s text)"),
  );
});

async function withClients<T>(
  count: number,
  use: (clients: pg.Client[]) => Promise<T>,
): Promise<T> {
  const clients = Array.from(
    { length: count },
    () => new pg.Client({ host: "127.0.0.1", port, user: "u", database: "d" }),
  );
  for (const client of clients) client.on("error", () => {});
  await Promise.all(clients.map((client) => client.connect()));
  try {
    return await use(clients);
  } finally {
    await Promise.all(clients.map((client) => client.end().catch(() => {})));
  }
}

test("parameters of many clients at once never meet each other's statements", async () => {
  const answers = await withClients(8, (clients) =>
    Promise.all(
      clients.flatMap((client, index) =>
        Array.from({ length: 25 }, (_, turn) =>
          client
            .query("SELECT $1::int AS a, $2::text AS b", [index * 100 + turn, `client ${index}`])
            .then(({ rows }) => [rows[0], { a: index * 100 + turn, b: `client ${index}` }]),
        ),
      ),
    ),
  );
  expect(answers).toHaveLength(200);
  for (const [got, expected] of answers) expect(got).toEqual(expected);
});

test("a transaction has the session to itself until it ends", async () => {
  await withClients(2, async ([first, second]) => {
    await first!.query("BEGIN");
    await first!.query("INSERT INTO t VALUES (1)");
    const counted = second!.query("SELECT count(*)::int AS n FROM t");
    await first!.query("INSERT INTO t VALUES (2)");
    await first!.query("ROLLBACK");
    expect((await counted).rows[0].n).toBe(0);
  });
});

test("a client that vanishes in a transaction leaves nothing of it, and does not block the next", async () => {
  const first = new pg.Client({ host: "127.0.0.1", port, user: "u", database: "d" });
  first.on("error", () => {});
  await first.connect();
  await first.query("BEGIN");
  await first.query("INSERT INTO t VALUES (1)");
  (first as unknown as { connection: { stream: Socket } }).connection.stream.destroy();
  await withClients(1, async ([next]) => {
    expect((await next!.query("SELECT count(*)::int AS n FROM t")).rows[0].n).toBe(0);
  });
});

test("a client that vanishes between Parse and Sync does not block the next", async () => {
  await withClients(1, async ([client]) => {
    const { stream } = (client as unknown as { connection: { stream: Socket } }).connection;
    const sql = Buffer.from("\0SELECT 1\0\0\0");
    const parse = Buffer.concat([Buffer.from("P"), Buffer.alloc(4), sql]);
    parse.writeInt32BE(4 + sql.length, 1);
    stream.write(parse);
    await sleep(100);
    stream.destroy();
  });
  await withClients(1, async ([next]) => {
    expect((await next!.query("SELECT 1 AS one")).rows[0].one).toBe(1);
  });
});

test("what the last client SET is gone for the next", async () => {
  await withClients(1, ([client]) => client!.query("SET work_mem = '7MB'"));
  await sleep(50);
  await withClients(1, async ([client]) => {
    expect((await client!.query("SHOW work_mem")).rows[0].work_mem).toBe("4MB");
  });
});

/** Speaks COPY by hand: `pg` has no stream for it. */
async function copyIn(sql: string, chunks: string[], end: "c" | "f" = "c"): Promise<string> {
  return withClients(1, async ([client]) => {
    const { stream } = (client as unknown as { connection: { stream: Socket } }).connection;
    stream.removeAllListeners("data");
    let heard = "";
    stream.on("data", (data) => {
      heard += data.toString("latin1");
    });
    const message = (type: string, body: string) => {
      const frame = Buffer.alloc(5 + Buffer.byteLength(body));
      frame.write(type);
      frame.writeInt32BE(4 + Buffer.byteLength(body), 1);
      frame.write(body, 5);
      return frame;
    };
    stream.write(message("Q", `${sql}\0`));
    while (!heard.startsWith("G")) await sleep(10);
    for (const chunk of chunks) stream.write(message("d", chunk));
    stream.write(message(end, end === "f" ? "given up\0" : ""));
    for (let tries = 0; heard.at(-6) !== "Z" && tries < 300; tries++) await sleep(10);
    stream.destroy();
    return heard;
  });
}

test("COPY FROM STDIN takes its data, however it is cut", async () => {
  expect(await copyIn("COPY t FROM STDIN", ["1\ta\n2", "\tb\n", "3\tc\n"])).toContain("COPY 3");
  await withClients(1, async ([client]) => {
    const { rows } = await client!.query("SELECT string_agg(s, '' ORDER BY n) AS s FROM t");
    expect(rows[0].s).toBe("abc");
  });
});

test.each([
  "-- data\nCOPY /* all of it */ t FROM /* the client */ STDIN",
  "COPY t FROM STDIN; -- that's all",
])("%s takes its data", async (sql) => {
  expect(await copyIn(sql, ["1\ta\n"])).toContain("COPY 1");
});

test("fails on bad COPY data with the server's own error, and goes on", async () => {
  expect(await copyIn("COPY t FROM STDIN", ["x\ta\n"])).toContain(
    "invalid input syntax for type integer",
  );
  expect(await copyIn("COPY t FROM STDIN", ["1\ta\n"], "f")).toContain("given up");
  expect(reopened).toBe(0);
});

test("fails on COPY FROM STDIN in the extended protocol with a reason, and goes on", async () => {
  await withClients(1, async ([client]) => {
    const query = client!.query({ text: "COPY t FROM STDIN", name: "extended" } as pg.QueryConfig);
    await expect(query).rejects.toThrow(/only as one statement of the simple query protocol/);
    expect((await client!.query("SELECT 1 AS one")).rows[0].one).toBe(1);
  });
});

test.each([
  "SELECT 'COPY t FROM STDIN'",
  "SELECT $x$; COPY t FROM STDIN$x$",
  "SELECT 1 -- ; COPY t FROM STDIN",
  "/* COPY t FROM STDIN */ SELECT 1",
  "SELECT E'\\'; COPY t FROM STDIN; --'",
])("%s is no COPY", async (sql) => {
  await withClients(1, async ([client]) => {
    expect((await client!.query(sql)).rows).toHaveLength(1);
  });
});

test("a database that ends is started again, and the next client finds it", async () => {
  const broken = database as unknown as { execProtocolRawStream: unknown };
  broken.execProtocolRawStream = async () => {
    throw new Error("Program terminated with exit(1)");
  };
  await expect(withClients(1, ([client]) => client!.query("SELECT 1"))).rejects.toThrow();
  await withClients(1, async ([client]) => {
    expect((await client!.query("SELECT 1 AS one")).rows[0].one).toBe(1);
  });
  expect(reopened).toBe(1);
});
