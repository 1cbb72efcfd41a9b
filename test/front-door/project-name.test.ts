import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Project } from "../support/project.ts";

let project: Project;
beforeAll(async () => {
  project = await Project.create();
  const file = join(project.root, "Pulumi.yaml");
  writeFileSync(file, readFileSync(file, "utf8").replace("name: pgstead", "name: shop"));
});
afterAll(() => project.remove());

test("S31: a project of another name works, from a sub-folder and with plain Pulumi too", async () => {
  const up = await project.pgstead(["up"], { cwd: join(project.root, "examples", "app") });
  expect(up.code, up.all).toBe(0);
  const again = await project.pgstead(["preview", "--expect-no-changes"]);
  expect(again.code, again.all).toBe(0);
  const outputs = await project.pgstead(["outputs", "--json"]);
  expect(JSON.parse(outputs.stdout)).toMatchObject({ port: project.port, database: "app" });
  const env = JSON.parse((await project.pgstead(["env", "--json"])).stdout);
  const preview = await project.run("pulumi", ["preview", "--stack", "local"], { env });
  expect([preview.code, preview.all]).toEqual([0, expect.stringContaining("shop-local")]);
  const down = await project.pgstead(["down", "--delete-data", "local", "--yes"]);
  expect(down.code, down.all).toBe(0);
});
