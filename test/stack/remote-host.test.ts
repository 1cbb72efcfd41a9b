import { afterAll, beforeAll, expect, test } from "vitest";
import { SshHost } from "./ssh-host.ts";
import { StackProject } from "./stack-project.ts";

let host: SshHost;
let project: StackProject;
beforeAll(async () => {
  host = await SshHost.start();
  project = await StackProject.create("prod");
  project.env.PATH = host.path;
  project.configure("docker:host", host.address);
  project.configure("pgstead:publish", "true");
});
afterAll(() => {
  host?.stop();
  project?.remove();
});

// In order: each goes on from where the one before left the stack.
test("up and its migrations reach a Docker host over ssh", async () => {
  const up = await project.pgstead(["up", "--yes"]);
  expect(up.code, up.all).toBe(0);
  expect(up.all).toContain('applied 3 to "app", now at 0003_audit_log');
});

test("verbs reach it as well, and nothing shows at a second preview", async () => {
  for (const verb of [["check"], ["migrate", "list"], ["preview", "--expect-no-changes"]]) {
    const { code, all } = await project.pgstead(verb);
    expect(code, `${verb.join(" ")}: ${all}`).toBe(0);
  }
  const psql = await project.pgstead(["psql"], { stdin: "\\t\nselect count(*) from documents" });
  expect(psql.code, psql.all).toBe(0);
  expect(psql.stdout).toMatch(/^ +0$/m);
});

test("a port published on the loopback of another machine is no address for this one", async () => {
  expect((await project.outputs()).hostUrl).toBeNull();
});

test("fails with where the host was looked for when it is out of reach", async () => {
  host.stop();
  for (const verb of ["status", "up"]) {
    const { code, all } = await project.pgstead(verb === "up" ? ["up", "--yes"] : [verb]);
    expect([code, all]).toEqual([3, expect.stringContaining(host.address)]);
  }
});
