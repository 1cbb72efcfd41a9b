import { execFileSync } from "node:child_process";
import { afterAll, beforeAll, expect, test } from "vitest";
import { makeFolder, Project } from "../support/project.ts";

let project: Project;
beforeAll(async () => {
  project = await Project.create();
});
afterAll(() => project.remove());

const mounted = async (options: string, during: (folder: string) => Promise<void>) => {
  const folder = `${project.root}/.pgstead`;
  makeFolder(folder);
  execFileSync("mount", ["-t", "tmpfs", "-o", options, "pgstead-test", folder]);
  try {
    await during(folder);
  } finally {
    execFileSync("umount", ["--lazy", folder]);
  }
};

test("fails on a full disk with the reason, and works once there is room", async () => {
  await mounted("size=12m", async (folder) => {
    const up = await project.pgstead(["up"]);
    expect(up.code, up.all).not.toBe(0);
    expect(up.all).toMatch(/no space left on device/i);
    execFileSync("mount", ["-o", "remount,size=300m", folder]);
    const again = await project.pgstead(["up"]);
    expect(again.code, again.all).toBe(0);
    await project.pgstead(["down"]);
  });
});

test("fails on a read-only folder with the reason", async () => {
  await mounted("ro", async () => {
    const up = await project.pgstead(["up"]);
    expect(up.code, up.all).toBe(3);
    expect(up.stderr).toMatch(/read-only file system/i);
    expect(up.stderr).not.toContain("bug of pgstead");
  });
});
