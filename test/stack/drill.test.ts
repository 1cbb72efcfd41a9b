import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { renameSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { docker, inspect } from "../contract/docker-cli.ts";
import { BreakableLine, SmallDisk } from "../faults/harness.ts";
import { until } from "../support/until.ts";
import { BucketService } from "./bucket-service.ts";
import { StackProject } from "./stack-project.ts";
import { WriteChecker } from "./write-checker.ts";

let project: StackProject;
let service: BucketService;
let line: BreakableLine;
let disk: SmallDisk;
let checker: WriteChecker;

const container = (name: string) => `${project.stack}-${name}`;
const volume = container;
const inAgent = (...args: string[]) =>
  spawnSync("docker", ["exec", container("agent"), "pgstead", ...args], { encoding: "utf8" });

/** Only `make faults` runs it: one stack goes through all that can happen to it, while an application writes. */
describe("the drill: every state is named, and nothing that was acknowledged is lost", () => {
  beforeAll(async () => {
    project = await StackProject.create("prod");
    disk = new SmallDisk(200);
    service = BucketService.start(container("backups"));
    const { hostname, port } = new URL(service.url);
    line = await BreakableLine.to(Number(port), hostname, hostname);
    const endpoint = `http://${hostname}:${line.port}`;
    Object.assign(project.env, service.credentials);
    project.configure("pgstead:bucket", { ...service.section, endpoint, iamEndpoint: service.url });
    project.configure("pgstead:publish", true);
    project.program(
      `transform: { backups: { driver: "local", driverOpts: { type: "none", o: "bind", device: "${disk.folder}" } } },`,
    );
    project.migration("0004_written", "create table public.written (n bigint primary key);\n");
    await expectUp();
    await until(() => inAgent("check").status === 0);
    checker = await WriteChecker.start((await project.outputs()).hostUrl!);
  });
  afterAll(async () => {
    await checker?.stop();
    project?.remove();
    await line?.close();
    await service?.remove();
    disk?.close();
  });

  async function expectUp() {
    const { code, all } = await project.pgstead(["up", "--yes"]);
    expect(code, all).toBe(0);
  }

  /** Fine means: the verbs say so, the application writes, and no acknowledged row is missing. */
  async function expectFine(what: string) {
    const before = checker.count;
    await until(() => checker.count > before + 5);
    expect(await checker.findLost(), what).toEqual([]);
    await until(
      () => inAgent("check").status === 0,
      () => inAgent("check").stdout,
    );
    // The agent tries again after five minutes; a person does it now.
    for (const verb of ["now", "verify"]) {
      const { status, stderr } = inAgent("backup", verb);
      expect(status, `${what}: backup ${verb}: ${stderr}`).toBe(0);
    }
    const { code, all } = await project.pgstead(["status"]);
    expect([code, all], what).toEqual([0, expect.anything()]);
  }

  /** The verb does not say "fine", and says what is wrong. */
  async function expectNamed(verb: string[], text: string | RegExp, env: NodeJS.ProcessEnv = {}) {
    const { code, all } = await project.pgstead(verb, { env });
    expect([code === 0, all], verb.join(" ")).toEqual([false, expect.stringMatching(text)]);
  }

  /** Refused by preview and up, while the same server goes on. */
  async function expectRefused(text: string | RegExp) {
    const before = inspect("container", container("postgres"))?.Id;
    await expectNamed(["preview"], text);
    await expectNamed(["up", "--yes"], text);
    expect(inspect("container", container("postgres"))?.Id).toBe(before);
  }

  test("begins fine", () => expectFine("begin"));

  test.each([
    ["the server", () => kill(container("postgres"))],
    ["the agent", () => kill(container("agent"))],
  ])("kill -9 of %s heals by itself or by the next up", async (what, run) => {
    run();
    await expectUp();
    await expectFine(what);
  });

  test("an up that is killed is finished by the next", async () => {
    project.configurePostgres({ maintenanceWorkMemMb: 96 });
    let pid = 0;
    const killed = project.pgstead(["up", "--yes"], {
      ownGroup: true,
      onStart: (id) => (pid = id),
    });
    await until(() => inspect("container", container("postgres"))?.State.Running !== true);
    process.kill(-pid, "SIGKILL");
    await killed;
    await expectUp();
    await expectFine("killed up");
  });

  test("bad settings are refused before the server is touched", async () => {
    const taken = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    const port = (taken.address() as { port: number }).port;
    const bad: [Record<string, unknown>, RegExp][] = [
      [{ settings: { shared_buffers: "lots" } }, /shared_buffers/],
      [{ settings: { shared_bufers: "1GB" } }, /shared_bufers/],
      [{ cpus: 64 }, /cpus/],
    ];
    for (const [values, text] of bad) {
      project.configurePostgres(values);
      await expectRefused(text);
      project.configurePostgres({ settings: undefined, cpus: undefined });
    }
    project.configure("pgstead:port", port);
    await expectRefused(new RegExp(String(port)));
    project.configure("pgstead:port", project.port);
    taken.close();
    await expectUp();
    await expectFine("bad settings");
  });

  test("a rotation changes the passwords, and nothing is lost", async () => {
    project.configurePostgres({ passwordRotation: "drill" });
    await expectUp();
    const { hostUrl } = await project.outputs();
    expect(hostUrl).not.toBe(checker.url);
    checker.url = hostUrl!;
    await expectFine("rotation");
  });

  test("a full backup volume is named, and works again when it has room", async () => {
    disk.fill(16 * 1024);
    expect(inAgent("backup", "now").status).not.toBe(0);
    await expectNamed(["status"], / are free, and the newest dump has /);
    disk.free();
    expect(inAgent("backup", "now").status).toBe(0);
    expect(inAgent("backup", "verify").status).toBe(0);
    await expectFine("full disk");
  });

  test("a read-only backup volume is named, and works again when it can be written", async () => {
    spawnSync("mount", ["-o", "remount,ro", disk.folder]);
    expect(inAgent("backup", "now").status).not.toBe(0);
    await expectNamed(["status"], /cannot write to the backup folder/);
    spawnSync("mount", ["-o", "remount,rw", disk.folder]);
    expect(inAgent("backup", "now").status).toBe(0);
    await expectFine("read-only disk");
  });

  test("an S3 that hangs is named, and the rest is shown", async () => {
    line.stall();
    const { code, all } = await project.pgstead(["status"]);
    expect([code === 0, all]).toEqual([false, expect.stringMatching(/server: +ok/)]);
    expect(all).toMatch(/does not answer within 10 s/);
    line.restore();
    await expectFine("hanging S3");
  });

  test("an engine that hangs is named", async () => {
    const mute = createServer(() => {}).listen(0, "127.0.0.1");
    await once(mute, "listening");
    const { port } = mute.address() as { port: number };
    await expectNamed(["status"], /did not answer|no answer/, {
      DOCKER_HOST: `tcp://127.0.0.1:${port}`,
    });
    mute.close();
    await expectFine("hanging engine");
  });

  const state = () => join(project.root, "state", ".pulumi");

  test("a lost state is refused, and recover takes the data into a new one", async () => {
    renameSync(state(), `${state()}-lost`);
    await expectRefused(/this state does not know it/);
    const { code, all } = await project.pgstead(["recover", "--yes"]);
    expect(code, all).toBe(0);
    checker.url = (await project.outputs()).hostUrl!;
    await expectFine("lost state");
  });

  test("a lost data volume is refused, also with a lost state, until it is back", async () => {
    docker("stop", "--time", "60", container("postgres"));
    const copy = `${volume("data")}-copy`;
    copyVolume(volume("data"), copy);
    docker("rm", "-f", container("postgres"), container("files"));
    docker("volume", "rm", volume("data"));
    await expectRefused(/is gone, although stack/);
    await expectNamed(["status"], /./);
    renameSync(state(), `${state()}-lost-2`);
    await expectRefused(/is gone, although stack/);
    spawnSync("rm", ["-rf", state()]);
    renameSync(`${state()}-lost-2`, state());
    copyVolume(copy, volume("data"), ["pgstead.project=pgstead", `pgstead.stack=${project.stack}`]);
    docker("volume", "rm", copy);
    await expectUp();
    await expectFine("lost data volume");
  });

  test("a lost backup volume is named until there is a proven backup again", async () => {
    docker("rm", "-f", container("agent"));
    docker("volume", "rm", volume("backups"));
    spawnSync("sh", ["-c", `rm -rf ${disk.folder}/*`]);
    await expectUp();
    await until(() => inAgent("backup", "list", "--json").stdout.includes('"proven"'));
    await expectFine("lost backup volume");
  });

  function kill(name: string): void {
    process.kill(inspect("container", name).State.Pid, "SIGKILL");
  }

  function copyVolume(from: string, to: string, labels: string[] = []): void {
    docker("volume", "create", ...labels.flatMap((label) => ["--label", label]), to);
    const mounts = ["-v", `${from}:/from:ro`, "-v", `${to}:/to`];
    docker(
      "run",
      "--rm",
      ...mounts,
      "--entrypoint",
      "cp",
      project.baseImage,
      "-a",
      "/from/.",
      "/to/",
    );
  }
});
