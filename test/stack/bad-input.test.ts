import { createHash } from "node:crypto";
import { chmodSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, createServer, type Server } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { docker, inspect } from "../contract/docker-cli.ts";
import { SmallDisk } from "../faults/harness.ts";
import { StackProject } from "./stack-project.ts";

let project: StackProject;
let disk: SmallDisk | undefined;
beforeAll(async () => {
  project = await StackProject.create("dev");
});
afterAll(() => {
  project?.remove();
  disk?.close();
});

const server = () => `${project.stack}-postgres`;
const up = () => project.pgstead(["up", "--yes"]);

const SLEEP = ["--entrypoint", "sleep"];

// After each failure the next `up` works without a manual cleanup.
describe("an up that fails", () => {
  test("without an engine, and names the address that it tried", async () => {
    project.configure("docker:host", "tcp://127.0.0.1:1");
    const { code, all } = await up();
    const status = await project.pgstead(["status"]);
    project.configure("docker:host", undefined);
    const message = expect.stringContaining(
      "the Docker engine at tcp://127.0.0.1:1 is out of reach: nothing answers there; start it",
    );
    expect([code, all]).toEqual([3, message]);
    expect([status.code, status.all]).toEqual([3, message]);
  });

  test("without permission to use the engine, and names the group that has it", async () => {
    const socket = join(project.root, "closed.sock");
    const engine = await listen(socket);
    chmodSync(socket, 0);
    chmodSync(project.root, 0o755);
    project.configure("docker:host", `unix://${socket}`);
    // Root needs no permission, but the user "nobody" does.
    const uid = process.getuid?.() === 0 ? 65_534 : undefined;
    const { code, all } = await project.pgstead(["status"], uid ? { uid } : {});
    engine.close();
    project.configure("docker:host", undefined);
    expect([code, all]).toEqual([
      3,
      expect.stringContaining(
        `this user may not use the Docker engine at unix://${socket}; add the user to the group "docker"`,
      ),
    ]);
  });

  test("because a volume belongs to somebody else", async () => {
    docker("volume", "create", `${project.stack}-data`);
    const { code, all } = await up();
    docker("volume", "rm", `${project.stack}-data`);
    expect(code).not.toBe(0);
    expect(all).toContain(`volume "${project.stack}-data" exists and does not belong to stack`);
  });

  /** As an `up` leaves it that is killed between Docker's answer and Pulumi's record. */
  function leaveNetwork(): string {
    const network = `${project.stack}-network`;
    const labels = ["pgstead.project=pgstead", `pgstead.stack=${project.stack}`];
    docker("network", "create", ...labels.flatMap((label) => ["--label", label]), network);
    return network;
  }

  test("on a full disk, with the reason, and works after the disk was freed", async () => {
    disk = new SmallDisk(700);
    const labels = ["pgstead.project=pgstead", `pgstead.stack=${project.stack}`];
    const onDisk = ["type=none", "o=bind", `device=${disk.folder}`];
    docker(
      ...["volume", "create", ...onDisk.flatMap((option) => ["--opt", option])],
      ...[...labels.flatMap((label) => ["--label", label]), `${project.stack}-data`],
    );
    // The killed `up` before has left a network too: this one takes it over.
    leaveNetwork();
    disk.fill(8 * 2 ** 20);
    project.configurePostgres({ startSeconds: 15 });
    const { code, all } = await up();
    disk.free();
    expect([code, all]).toEqual([3, expect.stringContaining("No space left on device")]);
    project.configurePostgres({ startSeconds: undefined });
    const again = await up();
    expect(again.code, again.all).toBe(0);
    expect((await project.pgstead(["down", "--yes"])).code).toBe(0);
  });

  test("because a network belongs to somebody else, and does not change it", async () => {
    const network = `${project.stack}-network`;
    docker("network", "create", network);
    const { code, all } = await up();
    const isThere = inspect("network", network) !== undefined;
    docker("network", "rm", network);
    expect(code).not.toBe(0);
    expect(all).toContain(`a network "${network}" exists and does not belong to stack`);
    expect(isThere).toBe(true);
  });

  test("because its own network is in use and not in the state, and says by whom", async () => {
    const network = leaveNetwork();
    const name = `${project.stack}-guest`;
    docker("run", "-d", "--name", name, "--network", network, ...SLEEP, project.baseImage, "600");
    const { code, all } = await up();
    docker("rm", "-fv", name);
    docker("network", "rm", network);
    expect(code).not.toBe(0);
    expect(all).toContain(`Pulumi's state does not know it, and it is in use by ${name}`);
  });

  test("because a container belongs to somebody else, and does not change it", async () => {
    const image = project.baseImage;
    docker("run", "-d", "--name", server(), "--entrypoint", "sleep", image, "600");
    const { code, all } = await up();
    const isRunning = inspect("container", server()).State.Running;
    docker("rm", "-fv", server());
    expect(code).not.toBe(0);
    expect(all).toContain(`a container "${server()}" exists and does not belong to stack`);
    expect(isRunning).toBe(true);
  });

  test("for an unexpected source of pgvector, and shows both checksums", async () => {
    const source = createHttpServer((_, response) => response.end("not pgvector"));
    await new Promise<void>((resolve) => source.listen(0, "127.0.0.1", resolve));
    const url = `http://127.0.0.1:${(source.address() as AddressInfo).port}/pgvector.tar.gz`;
    const sha256 = "0".repeat(64);
    const pgvector = { version: "0.8.6", url, sha256 };
    project.configurePostgres({ pgvector, buildNetwork: "host" });
    const { code, all } = await up();
    source.close();
    project.configurePostgres({ pgvector: { from: "package" }, buildNetwork: undefined });
    expect(code).toBe(1);
    const found = createHash("sha256").update("not pgvector").digest("hex");
    expect(all.slice(all.indexOf("Diagnostics:"))).toContain(
      `the source at ${url} has SHA-256 ${found}, expected ${sha256}`,
    );
  });

  test("because the port is in use, and works after it was freed", async () => {
    const holder = await listen(project.port);
    const { code, all } = await up();
    holder.close();
    expect(code).not.toBe(0);
    expect(all).toMatch(/address already in use|port is already allocated/);
    const again = await up();
    expect(again.code, again.all).toBe(0);
  });

  test("because the server does not start, and shows its last log lines", async () => {
    // On the volume: what is in the configuration is tried before.
    const file = "/volume/18/docker/postgresql.auto.conf";
    onVolume(`echo "wal_buffers = 'nonsense'" >> ${file}`);
    project.configurePostgres({ maintenanceWorkMemMb: 96, startSeconds: 20 });
    const { code, all } = await up();
    expect(code, all).toBe(3);
    expect(all).toContain('invalid value for parameter "wal_buffers": "nonsense"');
    onVolume(`grep -v nonsense ${file} > /tmp/right && cat /tmp/right > ${file}`);
    const again = await up();
    expect(again.code, again.all).toBe(0);
  });

  test("for a wrong migration, and names file and line of the mistake", async () => {
    project.migration("0004_wrong", "create table wrong (n in);\n");
    const { code, all } = await up();
    expect(code).toBe(1);
    expect(all).toContain("0004_wrong.sql");
    expect(all).toContain('syntax error at or near "in"');
  });
});

function onVolume(script: string): void {
  const mount = ["--volume", `${project.stack}-data:/volume`, "--entrypoint", "sh"];
  docker("run", "--rm", ...mount, project.baseImage, "-c", script);
}

function listen(at: number | string): Promise<Server> {
  const where = typeof at === "number" ? { port: at, host: "127.0.0.1" } : { path: at };
  return new Promise((resolve) => {
    const holder = createServer().listen(where, () => resolve(holder));
  });
}
