import { spawnSync } from "node:child_process";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { docker, inspect } from "../contract/docker-cli.ts";
import { buildImage } from "../support/server-image.ts";
import { StackProject } from "./stack-project.ts";

let project: StackProject;
const bases: string[] = [];
beforeAll(async () => {
  project = await StackProject.create("dev");
  project.configure("pgstead:protect", true);
});
afterAll(() => {
  project?.remove();
  spawnSync("docker", ["rmi", "-f", ...bases]);
});

const server = () => `${project.stack}-postgres`;
const volume = () => `${project.stack}-data`;
const up = () => project.pgstead(["up", "--yes"]);
const rows = "select count(*) from kept";

/** Expects exit code 4, the message and the data at stake, and the same server with the same rows. */
async function expectRefused(what: string, message: RegExp | string) {
  const { Id } = inspect("container", server());
  const { code, all } = await up();
  expect([code, all], what).toEqual([4, expect.stringMatching(message)]);
  expect(all).toMatch(/at stake: about \d+ rows, \d+ MB; /);
  expect(inspect("container", server()), what).toMatchObject({ Id, State: { Running: true } });
  expect(project.asSuperuser(rows)).toBe("1000");
  return all;
}

/** `make faults` runs all cases, any other run only the first of each kind. */
const select = <Row>(all: Row[], first: number) =>
  process.env.PGSTEAD_FAULTS === "all" ? all : all.slice(0, first);

// The tests run in order: each continues with the stack of the one before.
describe("a change that would lose the stack's data", () => {
  test("before: the stack is up and holds rows", async () => {
    const { code, all } = await up();
    expect(code, all).toBe(0);
    project.asSuperuser("create table kept as select n from generate_series(1, 1000) n; analyze");
  });

  const changes: [string, () => string, () => string][] = [
    [
      "another prefix",
      () => `prefix: "${project.stack}-other",`,
      () => `name: ${volume()} => ${project.stack}-other-data`,
    ],
    [
      "another label by transform, which makes the provider replace the volume",
      () => `transform: { data: (args) => ({ ...args, labels: [...args.labels, more] }) },`,
      () => `labels: .* => .*team=search`,
    ],
    [
      "another name by transform",
      () => `transform: { data: { name: "${project.stack}-other" } },`,
      () => `name: ${volume()} => ${project.stack}-other`,
    ],
  ];
  test.each(select(changes, 2))(
    "is refused: the data volume has %s",
    async (what, change, message) => {
      project.program(change().replace("more", '{ label: "team", value: "search" }'));
      const all = await expectRefused(what, message());
      expect(all).toContain(`pgstead adopt-volume ${volume()} --stack NEWSTACK`);
      expect(inspect("volume", `${project.stack}-other-data`)).toBeUndefined();
      expect(inspect("volume", `${project.stack}-other`)).toBeUndefined();
    },
  );

  test("is refused also without a preview", async () => {
    const { Id } = inspect("container", server());
    project.program(`prefix: "${project.stack}-other",`);
    const { code, all } = await project.pulumi("up --yes --skip-preview");
    expect(code).not.toBe(0);
    expect(all).toContain(`the data of stack "${project.stack}" is in volume "${volume()}"`);
    expect(inspect("container", server())).toMatchObject({ Id, State: { Running: true } });
    expect(inspect("volume", `${project.stack}-other-data`)).toBeUndefined();
    project.program("");
    const again = await up();
    expect(again.code, again.all).toBe(0);
    expect(project.asSuperuser(rows)).toBe("1000");
  });

  const moves: [string, string, RegExp][] = [
    [
      "another volume at its path",
      "volumes: [{ volumeName: stack + '-agent', containerPath: '/var/lib/postgresql' }]",
      /must be "\S+-data" and is "\S+-agent"/,
    ],
    [
      "another mount path",
      "volumes: [{ volumeName: stack + '-data', containerPath: '/var/lib/postgresql/data' }]",
      /the volume at \/var\/lib\/postgresql must be "\S+-data" and is none/,
    ],
    [
      "a tmpfs that hides it",
      "tmpfs: { '/var/lib/postgresql/18/docker': 'size=64m' }",
      /something is mounted at \/var\/lib\/postgresql\/18\/docker/,
    ],
    ["PGDATA", "envs: ['PGDATA=/elsewhere']", /"PGDATA" is set, which moves the cluster/],
    [
      "an image without the guards",
      "image: 'postgres:18'",
      /"image" is postgres:18, which has no guard/,
    ],
  ];
  test.each(select(moves, 2))(
    "is refused: the data path is changed by %s",
    async (what, change, message) => {
      project.program(`transform: { container: { ${change} } },`);
      await expectRefused(what, message);
    },
  );

  test("S3: fails for another glibc release over data, before the old server is touched", async () => {
    project.program("");
    const base = `${project.stack}-base:later`;
    bases.push(base);
    const later = "RUN sed -i 's/^VERSION_CODENAME=.*/VERSION_CODENAME=later/' /etc/os-release";
    buildImage(base, `FROM ${project.baseImage}\n${later}`);
    project.configurePostgres({ baseImage: base });
    await expectRefused("release", /or postgres\.accept to \["release debian-later"\]/);
    project.configurePostgres({ baseImage: project.baseImage });
  });

  test("after an undo of the change, a preview shows nothing", async () => {
    expect((await up()).code).toBe(0);
    const { code, all } = await project.pgstead(["preview", "--expect-no-changes"]);
    expect(code, all).toBe(0);
  });
});

describe("a server that is replaced", () => {
  const inOrder = "was not shut down in order";

  test("during a transaction ends the transaction and shuts down in order", async () => {
    const open = "begin; insert into kept values (0); select pg_sleep(600)";
    const psql = ["psql", "-U", "postgres", "-d", "app", "-c", open];
    const writing = project.run("docker", ["exec", "-u", "postgres", server(), ...psql]);
    const sleeping = "select count(*) from pg_stat_activity where wait_event = 'PgSleep'";
    await vi.waitFor(() => expect(project.asSuperuser(sleeping)).toBe("1"), 60_000);
    project.configurePostgres({ maintenanceWorkMemMb: 96, stopSeconds: 60 });
    const { code, all } = await up();
    expect(code, all).toBe(0);
    expect((await writing).code).not.toBe(0);
    expect(all).not.toContain(inOrder);
    expect(project.asSuperuser(rows)).toBe("1000");
  });

  test("and does not stop in time is killed, up reports it, and no data is lost", async () => {
    project.configurePostgres({ stopSeconds: 3 });
    expect((await up()).code).toBe(0);
    project.asSuperuser("insert into kept values (1001)");
    const checkpointer = "select pid from pg_stat_activity where backend_type = 'checkpointer'";
    const stuck = `kill -STOP ${project.asSuperuser(checkpointer)}`;
    docker("exec", "-u", "postgres", server(), "sh", "-c", stuck);
    project.configurePostgres({ maintenanceWorkMemMb: 128 });
    const { code, all } = await up();
    expect(code, all).toBe(0);
    expect(all).toContain(inOrder);
    expect(project.asSuperuser(rows)).toBe("1001");
    project.asSuperuser("delete from kept where n = 1001");
  });
});

describe("S2: a data volume that was removed by hand", () => {
  test("fails, and says what the newest proven backup has of it", async () => {
    for (const verb of [["now"], ["verify", "latest"]]) {
      const { code, all } = await project.pgstead(["backup", ...verb]);
      expect(code, all).toBe(0);
    }
    docker("rm", "-fv", server());
    docker("volume", "rm", volume());
    const { code, all } = await up();
    expect([code, all]).toEqual([4, expect.stringContaining(`volume "${volume()}" is gone`)]);
    expect(all).toMatch(
      /the newest proven backup, app-\S+, is \d+ min old and held about 1\d\d\d rows/,
    );
    expect(inspect("volume", volume())).toBeUndefined();
  });

  test("fails also when the rest of the stack was deleted", async () => {
    expect((await project.pgstead(["down", "--yes"])).code).toBe(0);
    const { code, all } = await up();
    expect([code, all]).toEqual([4, expect.stringContaining("the newest proven backup, app-")]);
    expect(inspect("volume", volume())).toBeUndefined();
  });

  test("restores the data from the backup with the documented steps", async () => {
    project.configurePostgres({ acceptEmptyVolume: true });
    const { code, all } = await up();
    expect(code, all).toBe(0);
    const out = `${project.root}/app.dump`;
    const got = await project.pgstead(["backup", "get", "latest", "--out", out]);
    expect(got.code, got.all).toBe(0);
    const load = `docker exec -i -u postgres ${server()} pg_restore -U postgres -d app --clean --if-exists --exit-on-error <${out}`;
    const loaded = await project.run("sh", ["-c", load]);
    expect(loaded.code, loaded.all).toBe(0);
    project.configurePostgres({ acceptEmptyVolume: undefined });
    const again = await up();
    expect(again.code, again.all).toBe(0);
    expect(project.asSuperuser(rows)).toBe("1000");
    expect((await project.pgstead(["migrate", "list", "--pending"])).code).toBe(0);
  });
});
