import { afterAll, beforeAll, expect, test } from "vitest";
import { Random } from "../faults/harness.ts";
import { runAndKillAfter } from "../support/run-and-kill.ts";
import { StackProject } from "./stack-project.ts";

const SEED = Number(process.env.SEED ?? 11);
const KILLS = Number(process.env.KILLS ?? 3);

let project: StackProject;
beforeAll(async () => {
  project = await StackProject.create("dev");
});
afterAll(() => project?.remove());

test(
  `up of containers killed ${KILLS} times at random moments (seed ${SEED}) needs no hands afterwards`,
  async () => {
    const random = new Random(SEED);
    const killUps = async () => {
      for (let kill = 0; kill < KILLS; kill++) {
        const moment = random.between(1_000, 12_000);
        await runAndKillAfter(moment, (group) => project.pgstead(["up", "--yes"], group));
      }
    };
    await killUps();
    await expectWhole();
    const rows = "select count(*) from public.numbers";
    project.migration(
      "0004_numbers",
      "create table public.numbers as select generate_series(1, 9);\n",
    );
    expect((await project.pgstead(["up", "--yes"])).code).toBe(0);

    // The runs are killed while they replace the server.
    project.configurePostgres({ maintenanceWorkMemMb: 96 });
    await killUps();
    await expectWhole();
    expect(project.asSuperuser(rows)).toBe("9");
    expect(project.asSuperuser("show maintenance_work_mem")).toBe("96MB");
  },
  120_000 + KILLS * 60_000,
);

async function expectWhole() {
  for (const verb of [["up", "--yes"], ["check"], ["preview", "--expect-no-changes"]]) {
    const { code, all } = await project.pgstead(verb);
    expect(code, `${verb.join(" ")}: ${all}`).toBe(0);
  }
}
