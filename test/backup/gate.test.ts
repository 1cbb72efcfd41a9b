import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { proofName } from "../../operate/backup/format/proof.ts";
import type { ListResult } from "../../operate/backup/store/list-backups.ts";
import { canRun, Stage } from "./stage.ts";

describe.runIf(canRun)("down on a protected stack", () => {
  let stage: Stage;
  const down = () =>
    stage.pgstead("migrate", "down", "--approved-by", "Ada", "--reason", "release undone");

  beforeAll(async () => {
    stage = await Stage.start({ migrations: { folder: "/tmp/migrations", protected: true } });
    await stage.sql("create role migrator login; grant create on database app to migrator");
    await stage.inAgent(
      ...["sh", "-c"],
      `mkdir /tmp/migrations && echo 'create schema a;
-- migrate:down
drop schema a' > /tmp/migrations/0001_a.sql`,
    );
    expect((await stage.pgstead("migrate", "up")).code).toBe(0);
  });
  afterAll(() => stage?.stop());

  test("fails until a fresh backup has been proven, whose name is recorded", async () => {
    await refusedFor("no backup of it has been proven");
    expect((await stage.pgstead("backup", "now")).code).toBe(0);
    await refusedFor("no backup of it has been proven");
    expect((await stage.pgstead("backup", "verify")).code).toBe(0);

    const { backups } = JSON.parse(
      (await stage.pgstead("backup", "list", "--json")).stdout,
    ) as ListResult;
    const { id } = backups[0]!;
    const proof = join(stage.backups, proofName(id));
    const fresh = readFileSync(proof, "utf8");
    const old = new Date(Date.now() - 26 * 3_600_000).toISOString();
    writeFileSync(proof, JSON.stringify({ ...JSON.parse(fresh), restorableTo: old }));
    await refusedFor("is 26 h old (at most 25)");

    writeFileSync(proof, fresh);
    expect((await down()).code).toBe(0);
    const recorded = await stage.sql(
      "select approvals->0->>'backup' from pgstead.schema_migrations",
    );
    expect(recorded).toBe(id);
  });

  async function refusedFor(why: string) {
    const { code, stderr } = await down();
    expect(stderr).toContain(why);
    expect(code).toBe(4);
  }
});
