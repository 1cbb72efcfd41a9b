import * as pulumi from "@pulumi/pulumi";
import { beforeAll, describe, expect, test } from "vitest";
import { derivePassword } from "../../components/server/passwords.ts";
import {
  isProtected,
  type Recorded,
  recordResources,
  urnOf,
  valueIn,
} from "../support/recorder.ts";

let recorded: Recorded[];
let DockerPostgres: typeof import("../../components/engines/docker.ts").DockerPostgres;
let postgres: import("../../components/engines/docker.ts").DockerPostgres;
let migrations: import("../../components/migrations/migrations.ts").Migrations;

beforeAll(async () => {
  const component = () => ({});
  recorded = await recordResources({
    "pgstead:index:DockerPostgres": component,
    "pgstead:index:PostgresImage": component,
    "pgstead:index:DataVolumes": component,
    "pgstead:index:Passwords": component,
    "pgstead:index:PostgresDatabase": component,
    "pgstead:index:ServerTls": component,
    "pgstead:index:Migrations": component,
    "docker:index/image:Image": (_inputs, name) => ({ repoDigest: `sha256:${name}` }),
    "docker:index/volume:Volume": component,
    "docker:index/network:Network": component,
    "docker:index/container:Container": component,
    "pgstead:index:ChangeGuard": component,
    "command:local:Command": ({ environment }) => ({
      stdout: JSON.stringify({
        ...{ postgres: "18.6", pgvector: "0.8.7" },
        image: (environment as { PGSTEAD_IMAGE: string }).PGSTEAD_IMAGE,
      }),
    }),
    "pulumi:index:Stash": (_inputs, name) => ({
      output: name.endsWith("-key")
        ? "KEPT-KEY"
        : {
            major: "18",
            base: "debian",
            migrator: "m-pass",
            app: "p@ss:w%rd",
            readonly: "r-pass",
            certificate: "PEM",
            key: "KEY",
          },
    }),
  });
  ({ DockerPostgres } = await import("../../components/engines/docker.ts"));
  const { Migrations } = await import("../../components/migrations/migrations.ts");
  postgres = new DockerPostgres("postgres", {
    image: { base: "debian" },
    publishedPort: 5433,
  });
  migrations = new Migrations("migrations", {
    folder: "migrations",
    pending: ["0004_x"],
    container: postgres.container,
    agent: postgres.agent,
    network: postgres.network,
  });
  await urnOf(migrations.nodes.run);
});

const only = (name: string) => recorded.filter((each) => each.name === name)[0]!.inputs;

describe("DockerPostgres", () => {
  test("declares exactly these children", () => {
    const children = recorded
      .filter(({ type, name }) => !type.startsWith("pgstead:") && !name.startsWith("other"))
      .map(({ type, name }) => `${type.split(":").at(-1)} ${name}`);
    expect(children.sort()).toEqual([
      "Command migrations-run",
      "Command postgres-change-check",
      "Command postgres-image-versions",
      "Container postgres-server-container",
      "Container postgres-server-writer",
      "Image postgres-image-agent",
      "Image postgres-image-server",
      "Network postgres-server-network",
      "Stash postgres-passwords-generated",
      "Stash postgres-passwords-rotation-key",
      "Stash postgres-seal-key",
      "Stash postgres-volumes-cluster",
      "Volume postgres-server-files",
      "Volume postgres-server-socket",
      "Volume postgres-volumes-agent",
      "Volume postgres-volumes-backups",
      "Volume postgres-volumes-data",
    ]);
  });

  test("gives the server's container its image by content, and no secret", () => {
    const { image, envs, ports, networksAdvanced, shmSize } = only("postgres-server-container");
    expect(image).toBe("sha256:postgres-image-server");
    expect(envs).toEqual(["POSTGRES_USER=postgres", "POSTGRES_DB=app"]);
    expect(ports).toEqual([{ internal: 5432, external: 5433, ip: "127.0.0.1" }]);
    expect(networksAdvanced).toEqual([{ name: "test-network", aliases: ["postgres"] }]);
    expect(shmSize).toBe(640);
  });

  test("replaces the server's container when a setting changes that the plugin only pretends to update", () => {
    const { replaceOnChanges } = recorded.find(
      ({ name }) => name === "postgres-server-container",
    ) as Recorded;
    expect(replaceOnChanges).toEqual(["healthcheck", "tmpfs", "init"]);
  });

  test("S31: keeps seal key, passwords and rotation key in the state as secrets", () => {
    const kept = ["seal-key", "passwords-generated", "passwords-rotation-key"];
    for (const name of kept) {
      expect(only(`postgres-${name}`).input, name).toEqual({
        // The mark of a secret in Pulumi's wire format.
        "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270",
        value: expect.anything(),
      });
    }
  });

  test("never starts the container that carries the secrets", () => {
    const { start, mustRun, uploads } = only("postgres-server-writer");
    expect([start, mustRun]).toEqual([false, false]);
    const text = JSON.stringify(uploads);
    for (const file of ["settings.json", "passwords/migrator", "passwords/app"]) {
      expect(text).toContain(`/run/pgstead/${file}`);
    }
  });

  test("keeps what the stack remembers, and every URL is a secret", async () => {
    expect(isProtected(postgres.nodes.volumes.nodes.cluster)).toBe(true);
    expect(isProtected(postgres.nodes.passwords.nodes.generated)).toBe(true);
    expect(isProtected(postgres.nodes.passwords.nodes.rotationKey)).toBe(true);
    expect(await valueIn(postgres.url)).toBe("postgresql://app:p%40ss%3Aw%25rd@postgres:5432/app");
    expect(await valueIn(postgres.hostUrl)).toBe(
      "postgresql://app:p%40ss%3Aw%25rd@127.0.0.1:5433/app",
    );
    for (const url of [postgres.url, postgres.migratorUrl, postgres.readonlyUrl]) {
      expect(await pulumi.isSecret(url)).toBe(true);
    }
  });

  test("shows what is pending in the environment of the migration step", () => {
    const { environment, create, triggers } = only("migrations-run") as Record<string, never>;
    expect(environment).toEqual({ PGSTEAD_PENDING: "0004_x", PGSTEAD_RUN: expect.any(String) });
    expect(create).toBe("node dist/pgstead.cjs step migrate");
    expect(triggers).toBeUndefined();
  });
});

test("each group of arguments reaches the resources it is for", async () => {
  const pinnedImage = `sha256:${"a".repeat(64)}`;
  const other = new DockerPostgres("other", {
    prefix: "shop",
    database: "orders",
    superuser: "root",
    image: { version: "18.1", base: "debian", baseImage: "x/y", buildNetwork: "host" },
    pinnedImage,
    size: { memoryMb: 4096, cpus: 3, maintenanceWorkMemMb: 128 },
    serverSettings: { work_mem: "9MB" },
    tls: { names: ["db.example.com"], required: true, renewal: "2" },
    passwords: { fixed: { app: "given" }, rotation: "3" },
    guards: { accept: ["release debian-x"], provenWithinHours: 5 },
    protect: false,
    stopSeconds: 66,
    migratorScheme: "postgresql+psycopg",
    migrations: { files: "*.up.sql", outOfOrder: "skip" },
    files: { "/run/pgstead/extra": "text" },
  });
  await urnOf(other.nodes.server.nodes.container);
  expect(only("other-image-server")).toMatchObject({
    imageName: "shop-postgres:18.1-debian",
    build: { args: { BASE_IMAGE: "x/y" }, network: "host" },
  });
  expect(only("other-image-agent")).toMatchObject({
    build: { args: { SERVER_IMAGE: "shop-postgres:pinned", SERVER_ID: pinnedImage } },
  });
  const { stdin, environment } = only("other-change-check");
  expect(environment).toMatchObject({ PGSTEAD_IMAGE: pinnedImage });
  expect(JSON.parse(stdin as string)).toEqual({
    ...{ prefix: "shop", superuser: "root", protect: false, pinned: true },
    ...{ provenWithinHours: 5, accept: ["release debian-x"] },
    server: {
      settings: expect.objectContaining({ work_mem: "9MB", shared_buffers: "1024MB" }),
      given: { work_mem: "9MB" },
      ...{ cpus: 3, memoryMb: 4096, shmMb: 480, stopSeconds: 66 },
      maintenanceWorkMemMb: 128,
      tls: { names: ["db.example.com"], required: true, renewal: "2" },
    },
  });
  expect(only("other-server-container")).toMatchObject({
    ...{ name: "shop-postgres", image: pinnedImage, memory: 4096, memorySwap: 4096, cpus: "3.0" },
    ...{ stopTimeout: 66, destroyGraceSeconds: 66, shmSize: 480 },
    envs: [
      ...["POSTGRES_USER=root", "POSTGRES_DB=orders", "PGSTEAD_ACCEPT=release debian-x"],
      expect.stringMatching(/^PGSTEAD_TLS=[0-9a-f]{16}$/),
    ],
    command: expect.arrayContaining(["hba_file=/etc/pgstead/pg_hba_tls.conf", "work_mem=9MB"]),
  });
  // A secret, so the recorder has it in a wrapper.
  const { value } = only("other-server-writer").uploads as { value: Record<string, string>[] };
  const content = Object.fromEntries(value.map((upload) => [upload.file, upload.content]));
  expect(JSON.parse(content["/run/pgstead/settings.json"]!)).toMatchObject({
    database: { name: "orders", superuser: "root" },
    migrations: { files: "*.up.sql", outOfOrder: "skip", folder: "/var/lib/pgstead/migrations" },
  });
  expect(content).toMatchObject({
    "/run/pgstead/passwords/app": "given",
    "/run/pgstead/extra": "text",
    "/run/pgstead-migrator/url": `postgresql+psycopg://migrator:${derivePassword("KEPT-KEY", "migrator", "3")}@postgres:5432/orders?sslmode=require`,
  });
  // The server's user reads the key after the guard has copied it; nobody else does.
  const modes = Object.fromEntries(value.map((upload) => [upload.file, upload.permissions]));
  expect(modes["/run/pgstead-tls/server.key"]).toBe("0400");
  delete modes["/run/pgstead-tls/server.key"];
  expect([...new Set(Object.values(modes))]).toEqual(["0444"]);
});

test("a rotation changes each generated password, and a text always gives the same ones", () => {
  const roles = ["migrator", "app", "readonly"] as const;
  const of = (key: string, text: string) => roles.map((role) => derivePassword(key, role, text));
  const passwords = ["k", "other"].flatMap((key) =>
    ["2027-01", "2027-02"].flatMap((text) => of(key, text)),
  );
  expect(new Set(passwords).size).toBe(12);
  for (const password of passwords) expect(password).toMatch(/^[A-Za-z0-9]{32}$/);
  expect(of("k", "2027-01")).toEqual(of("k", "2027-01"));
});

test("another rotation runs the migration step, which sets the passwords, also with runOn changed", async () => {
  const { Migrations } = await import("../../components/migrations/migrations.ts");
  const { container, agent, network } = postgres;
  const args = { folder: "migrations", pending: [], runOn: "changed" as const };
  const rotation = "2027-01";
  const rotated = new Migrations("rotated", { ...args, rotation, container, agent, network });
  await urnOf(rotated.nodes.run);
  expect(only("rotated-run").environment).toEqual({
    PGSTEAD_PENDING: "none",
    PGSTEAD_ROTATION: "2027-01",
  });
});

describe("what is refused before anything is declared", () => {
  test("fails for a pgvector below the floor, another version without checksum, a package on alpine", async () => {
    const { normalizePgvector } = await import("../../components/server/image.ts");
    const given = (pgvector: object) => () => normalizePgvector("image", "alpine", pgvector);
    expect(given({ version: "0.8.1" })).toThrow(
      'pgvector 0.8.1 has faults that lose data (fixed in 0.8.4); take 0.8.4 or newer, or set postgres.pgvector.allowBelowFloor to "0.8.1"',
    );
    expect(given({ version: "0.9.0" })).toThrow(
      '"pgvector.sha256" of "image" is missing; version 0.9.0 needs the checksum of its source',
    );
    expect(given({ from: "package" })).toThrow('only base "debian" has');
    expect(given({ from: "package", version: "0.8.7" })).toThrow(
      '"pgvector.version" of "image" has no effect, because "pgvector.from" is "package"',
    );
    expect(
      given({ version: "0.8.1", allowBelowFloor: "0.8.1", sha256: "0".repeat(64) }),
    ).not.toThrow();
  });

  test("fails for another major or base than the cluster's", async () => {
    const { describeClusterChange } = await import("../../components/engines/docker.ts");
    const remembered = { major: "18", base: "alpine" };
    expect(describeClusterChange(remembered, { major: "19", base: "alpine" })).toContain(
      'this stack\'s cluster is of PostgreSQL 18, and postgres.version asks for 19, which cannot read it; set it back to "18", or bring the data over',
    );
    expect(describeClusterChange(remembered, { major: "18", base: "debian" })).toContain(
      "users and collations differ between them",
    );
    expect(describeClusterChange(remembered, remembered)).toBeUndefined();
  });

  test("fails for a cluster that would lie elsewhere than on its volume", async () => {
    const { describeDataPathChange } = await import("../../components/server/data-path.ts");
    const ours = [{ volumeName: "v", containerPath: "/var/lib/postgresql" }];
    const moved = (change: object, major = "18") =>
      describeDataPathChange(
        { volumes: ours, image: "i", ...change },
        { dataVolume: "v", image: "i", major },
      );
    expect(moved({})).toBeUndefined();
    expect(moved({ volumes: [...ours, { hostPath: "/x", containerPath: "/y" }] })).toBeUndefined();
    const at = 'the volume at /var/lib/postgresql must be "v" and is';
    const data = { volumeName: "v", containerPath: "/var/lib/postgresql/data" };
    expect(moved({ volumes: [data] })).toContain(`${at} none`);
    expect(moved({ volumes: [{ ...ours[0], volumeName: "w" }] })).toContain(`${at} "w"`);
    expect(moved({ volumes: [{ ...ours[0], readOnly: true }] })).toContain(`${at} "v", read-only`);
    const over = "something is mounted at /var/lib/postgresql/18, over the cluster's volume";
    expect(moved({ tmpfs: { "/var/lib/postgresql/18": "" } })).toContain(over);
    const cover = { tmpfs: { "/var/lib/postgresql/data": "" } };
    expect([moved(cover, "17"), moved(cover)]).toEqual([
      undefined,
      expect.stringContaining("something is mounted at /var/lib/postgresql/data"),
    ]);
    const mounts = [{ target: "/var/lib/postgresql/18", type: "tmpfs" }];
    expect(moved({ mounts })).toContain(over);
    expect(moved({ envs: ["PGDATA=/elsewhere"] })).toContain('"PGDATA" is set');
    expect(moved({ image: "postgres:18" })).toContain('"image" is postgres:18, which has no guard');
  });

  test.each([
    ["no labels", {}],
    ["another project's label", { "pgstead.project": "shop", "pgstead.stack": "test" }],
    ["another stack's label", { "pgstead.project": "pgstead", "pgstead.stack": "other" }],
    ["no label of a project", { "pgstead.stack": "test" }],
    ["no label of a stack", { "pgstead.project": "pgstead" }],
  ])("fails for a volume, a container or a network with %s", async (_, labels) => {
    const { assertOwnVolume } = await import("../../components/server/volumes.ts");
    const { assertContainer } = await import("../../components/guards/container-guard.ts");
    const { assertRemovable } = await import("../../components/guards/network-guard.ts");
    const network = { Labels: labels as Record<string, string>, Containers: null };
    const belongs = 'exists and does not belong to stack "test"';
    expect(() => assertOwnVolume("v", labels)).toThrow(`volume "v" ${belongs}`);
    expect(() => assertContainer("c", labels)).toThrow(`a container "c" ${belongs}`);
    expect(() => assertRemovable("n", network)).toThrow(`a network "n" ${belongs}`);
    expect(() => assertRemovable("n", { ...network, Labels: null })).toThrow(belongs);
  });

  test("lets the stack's own volume, container and unused network pass, and no network in use", async () => {
    const { assertOwnVolume } = await import("../../components/server/volumes.ts");
    const { assertContainer } = await import("../../components/guards/container-guard.ts");
    const { assertRemovable } = await import("../../components/guards/network-guard.ts");
    const ours = { "pgstead.project": "pgstead", "pgstead.stack": "test" };
    expect(() => assertOwnVolume("v", ours)).not.toThrow();
    expect(() => assertContainer("c", ours)).not.toThrow();
    expect(() => assertRemovable("n", { Labels: ours, Containers: {} })).not.toThrow();
    expect(() =>
      assertRemovable("n", { Labels: ours, Containers: { id: { Name: "guest" } } }),
    ).toThrow(
      'network "n" of stack "test" exists, Pulumi\'s state does not know it, and it is in use by guest',
    );
  });

  test("lists how a volume is declared otherwise", async () => {
    const { listVolumeChanges } = await import("../../components/server/volumes.ts");
    const labels = [
      { label: "a", value: "1" },
      { label: "b", value: "2" },
    ];
    const remembered = { name: "v", labels };
    expect(listVolumeChanges(remembered, { name: "v", labels: [...labels].reverse() })).toEqual([]);
    expect(
      listVolumeChanges(remembered, { name: "w", driver: "local", labels: labels.slice(1) }),
    ).toEqual(["name: v => w", "driver: none => local", "labels: a=1 b=2 => b=2"]);
  });
});
