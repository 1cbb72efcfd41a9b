import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { serverCommand, sizeServer } from "../../components/server/tuning.ts";
import { ServerContainer } from "../support/server-container.ts";
import { buildServerImage, fixtureBase } from "../support/server-image.ts";

const tag = `pgstead-server-${randomBytes(3).toString("hex")}`;
const sized = sizeServer("db", { major: "18" });
let server: ServerContainer;

beforeAll(async () => {
  buildServerImage(fixtureBase(), tag);
  server = new ServerContainer({
    image: tag,
    options: ["--shm-size", `${sized.shmMb}m`],
    command: serverCommand(sized, {}),
  });
  await server.waitUntilReady();
});
afterAll(() => {
  server?.remove();
  ServerContainer.removeImage(tag);
});

describe("a server with the settings of its size", () => {
  test("uses every one of them", () => {
    const taken = server.psql("select name from pg_settings where source = 'command line'");
    expect(taken.split("\n")).toEqual(
      expect.arrayContaining(sized.settings.map(({ name }) => name)),
    );
    const some =
      "select setting || unit from pg_settings where name in ('work_mem', 'shared_buffers') order by name";
    expect(server.psql(some).split("\n")).toEqual(["655368kB", "6144kB"]);
  });

  test("S4 two parallel HNSW builds at the same time fit into its shared memory", async () => {
    server.psql(`create extension vector`);
    for (const table of ["a", "b"]) {
      server.psql(
        `create table ${table} as select i, (select array_agg(random()) from generate_series(1, 64 + 0 * i))::vector(64) as v from generate_series(1, 12000) i;
         alter table ${table} set (parallel_workers = 1)`,
      );
    }
    const build = (table: string) =>
      server.startPsql(
        `set client_min_messages = debug1; set max_parallel_maintenance_workers = 1; create index on ${table} using hnsw (v vector_l2_ops)`,
      );
    const builds = await Promise.all([build("a"), build("b")]);
    for (const { code, all } of builds) {
      expect(code, all).toBe(0);
      expect(all).toMatch(/using 1 parallel workers?/);
    }
    expect(server.psql("select count(*) from pg_index where not indisvalid")).toBe("0");
  });
});
