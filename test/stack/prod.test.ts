import { spawnSync } from "node:child_process";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { docker, inspect } from "../contract/docker-cli.ts";
import { StackProject } from "./stack-project.ts";

let project: StackProject;
beforeAll(async () => {
  project = await StackProject.create("prod");
});
afterAll(() => project?.remove());

const server = () => `${project.stack}-postgres`;
let password = "";

// The tests run in order: each continues with the stack of the one before.
describe("stack prod", () => {
  test("S17: fails without a shared state backend or a passphrase, and says what to set", async () => {
    const noBackend = await project.pgstead(["up"], { env: { PULUMI_BACKEND_URL: "" } });
    expect([noBackend.code, noBackend.all]).toEqual([
      1,
      expect.stringContaining(
        "needs a state backend that other people reach, too: set PULUMI_BACKEND_URL",
      ),
    ]);
    const noPassphrase = await project.pgstead(["up"], {
      env: { PULUMI_CONFIG_PASSPHRASE: undefined },
    });
    expect([noPassphrase.code, noPassphrase.all]).toEqual([
      1,
      expect.stringContaining("has no key for its secrets: set PULUMI_CONFIG_PASSPHRASE"),
    ]);
  });

  test("the preview of a new stack shows the pending migrations", async () => {
    const { code, all } = await project.pulumi("preview --diff");
    expect(code, all).toBe(0);
    expect(all).toMatch(/PGSTEAD_PENDING: "0001_tenants, 0002_documents, 0003_audit_log"/);
  });

  test("up publishes nothing; applications join the network", async () => {
    const { code, all } = await project.pgstead(["up", "--yes"]);
    expect(code, all).toBe(0);
    const { hostUrl, readonlyUrl, network, url } = await project.outputs();
    expect(hostUrl).toBeNull();
    password = new URL(url!).password;
    expect(inspect("container", server()).HostConfig.PortBindings ?? {}).toEqual({});
    const count = ["psql", readonlyUrl!, "-AtXqc", "select count(*) from documents"];
    const image = inspect("container", server()).Image;
    expect(docker("run", "--rm", "--network", network!, "--entrypoint", "", image, ...count)).toBe(
      "0",
    );
  });

  test("the containers have only the rights that they need", () => {
    const { HostConfig } = inspect("container", server());
    expect(HostConfig.CapDrop).toEqual(["ALL"]);
    const needed = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "SETGID", "SETUID"];
    expect([...HostConfig.CapAdd].sort()).toEqual(needed.map((name) => `CAP_${name}`));
    expect(HostConfig.SecurityOpt).toEqual(["no-new-privileges:true"]);
    expect(HostConfig.Binds ?? []).not.toContainEqual(expect.stringContaining("docker.sock"));
  });

  test("a plain pulumi refresh finds no change", async () => {
    const { code, all } = await project.pulumi("refresh --yes");
    expect(code, all).toBe(0);
    expect(all).not.toMatch(/[~+-] \d+ (updated|created|deleted)/);
  });

  test("fails to change the major version of the cluster, and the old server keeps running", async () => {
    const before = inspect("container", server()).Id;
    project.configurePostgres({ version: "17" });
    const { code, all } = await project.pgstead(["up", "--yes"]);
    expect(code).not.toBe(0);
    expect(all).toContain(
      "this stack's cluster is of PostgreSQL 18, and postgres.version asks for 17",
    );
    expect(all).toMatch(/at stake: about \d+ rows, \d+ MB; /);
    expect(inspect("container", server()).Id).toBe(before);
    project.configurePostgres({ version: "18" });
  });

  test("fails to delete the data of a protected stack", async () => {
    const { code, all } = await project.pgstead(["down", "--yes", "--delete-data", project.stack]);
    expect([code, all]).toEqual([
      4,
      expect.stringContaining("is protected, so its data is not deleted"),
    ]);
    expect(inspect("container", server()).State.Running).toBe(true);
  });

  test("S25: the first rotation changes every password of a protected stack, and up names the roles", async () => {
    const before = await project.outputs();
    project.configurePostgres({ passwordRotation: "2027-01" });
    const { code, all } = await project.pgstead(["up", "--yes"]);
    expect(code, all).toBe(0);
    expect(all).toContain("set: password of migrator, password of app, password of readonly");
    const after = await project.outputs();
    password = new URL(after.url!).password;
    for (const output of ["url", "migratorUrl", "readonlyUrl"]) {
      const connect = (url: string) => {
        const psql = ["--entrypoint", "psql", project.baseImage, url, "-AtXqc", "select 1"];
        return spawnSync("docker", ["run", "--rm", "--network", after.network!, ...psql], {
          encoding: "utf8",
        });
      };
      expect(connect(after[output]!).stdout.trim(), output).toBe("1");
      expect(connect(before[output]!).stderr, output).toContain("password authentication failed");
    }
  });

  test("S31: down keeps data and passwords; the next up finds both", async () => {
    project.asSuperuser("create table kept (n int)");
    const down = await project.pgstead(["down", "--yes"]);
    expect(down.code, down.all).toBe(0);
    expect(inspect("container", server())).toBeUndefined();
    const { code, all } = await project.pgstead(["up", "--yes"]);
    expect(code, all).toBe(0);
    expect(project.asSuperuser("select count(*) from kept")).toBe("0");
    expect(new URL((await project.outputs()).url!).password).toBe(password);
  });

  test("another tool migrates in its own image, with the URL from a file", async () => {
    const image = inspect("container", server()).Image;
    project.configure("pgstead:migrations", {
      command: 'psql "$TOOL_URL" -c "set role owner; create table by_tool (n int)"',
      image,
      urlVariable: "TOOL_URL",
    });
    const { code, all } = await project.pgstead(["up", "--yes"]);
    expect(code, all).toBe(0);
    expect(
      project.asSuperuser("select tableowner from pg_tables where tablename = 'by_tool'"),
    ).toBe("owner");
    expect(docker("inspect", server())).not.toContain(password);
  });
});
