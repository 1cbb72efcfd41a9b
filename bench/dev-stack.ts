import { spawnSync } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import { inspect } from "../test/contract/docker-cli.ts";
import { StackProject } from "../test/stack/stack-project.ts";
import { type Measured, measure, type Run } from "./measure.ts";

/**
 * `npm run bench dev-stack`: compares stacks of containers with `docker compose` and with an empty program.
 * Without the official provider plugins: `test/with-standins npm run bench dev-stack`.
 */
const RUNS = 5;

const dev = await StackProject.create("dev");
const prod = await StackProject.create("prod");
const compose = findCompose();
try {
  await upBesideCompose();
  await previewBesideEmpty();
} finally {
  if (compose) spawnSync(compose[0] as string, [...compose.slice(1), "down", "-v"], quiet(dev));
  dev.remove();
  prod.remove();
}

async function upBesideCompose(): Promise<void> {
  const up = ours(dev, "up", "--yes");
  // The first up builds the images, and later ones find them in the cache.
  const cold = await measure({ up }, 1);
  console.log(`up of dev from nothing, layers cached: ${seconds(cold.up)} s`);
  const image = (part: string) => inspect("container", `${dev.stack}-${part}`).Image as string;
  const images = { server: image("postgres"), agent: image("agent") };
  if (!compose) {
    console.log("docker compose is not installed: up of dev is not compared");
    return;
  }
  writeFileSync(join(dev.root, "compose.yaml"), stringify(equalStack(images)));
  const [program = "", ...words] = compose;
  const peer: Run = { command: [program, ...words, "up", "-d"] };
  const fromNothing = await measure(
    {
      compose: { ...peer, prepare: async () => void composeDown() },
      ours: {
        ...up,
        prepare: async () => {
          const { code, all } = await dev.pgstead(["down", "--yes", "--delete-data", dev.stack]);
          if (code !== 0) throw new Error(all);
        },
      },
    },
    3,
  );
  // Both wait until the server is healthy. Ours also creates roles and runs three migrations.
  report(
    "dev from nothing to healthy, images built",
    fromNothing.ours,
    "compose",
    fromNothing.compose,
  );
  const again = await measure({ compose: peer, ours: up }, RUNS);
  report("no-op up of dev", again.ours, "compose", again.compose);
}

/** The same containers, but without roles, migrations and a state. */
function equalStack({ server, agent }: Record<"server" | "agent", string>) {
  const volumes = ["data:/var/lib/postgresql", "socket:/var/run/postgresql"];
  const probe = ["CMD", "pg_isready", "-q", "-h", "127.0.0.1"];
  return {
    version: "2.4",
    services: {
      postgres: {
        image: server,
        environment: { POSTGRES_USER: "postgres", POSTGRES_DB: "app" },
        healthcheck: { test: probe, interval: "1s", timeout: "5s", retries: 60 },
        volumes,
      },
      agent: {
        image: agent,
        command: ["sleep", "infinity"],
        init: true,
        volumes: ["socket:/var/run/postgresql", "backups:/var/lib/pgstead/backups"],
        depends_on: { postgres: { condition: "service_healthy" } },
      },
    },
    volumes: { data: {}, socket: {}, backups: {} },
  };
}

async function previewBesideEmpty(): Promise<void> {
  const empty = join(prod.root, "empty");
  mkdirSync(empty);
  symlinkSync(join(prod.root, "node_modules"), join(empty, "node_modules"));
  const nodeargs = "--import tsx --import ../tools/preload.mjs";
  const runtime = { name: "nodejs", options: { typescript: false, nodeargs } };
  writeFileSync(
    join(empty, "Pulumi.yaml"),
    stringify({ name: "empty", main: "index.ts", runtime }),
  );
  writeFileSync(join(empty, "package.json"), '{"type":"module"}');
  writeFileSync(join(empty, "index.ts"), "export {};\n");
  const { stdout } = await prod.pgstead(["env", "--json"]);
  const env = { ...definedOf(prod.env), ...JSON.parse(stdout) } as Record<string, string>;
  for (const cwd of [empty, prod.root]) {
    const made = await prod.run("pulumi", ["stack", "init", prod.stack, "--cwd", cwd], { env });
    if (made.code !== 0 && !/already exists/.test(made.all)) throw new Error(made.all);
  }
  const at = (cwd: string): Run => ({
    command: ["pulumi", "preview", "--stack", prod.stack, "--cwd", cwd],
    env,
  });
  const fresh = await measure({ empty: at(empty), ours: at(prod.root) }, RUNS);
  report("preview of prod, nothing deployed", fresh.ours, "an empty program", fresh.empty, 2.5);
  const made = await prod.pgstead(["up", "--yes"]);
  if (made.code !== 0) throw new Error(made.all);
  const deployed = await measure({ empty: at(empty), ours: at(prod.root) }, RUNS);
  report("preview of prod, deployed", deployed.ours, "an empty program", deployed.empty, 2.5);
}

function ours(project: StackProject, ...args: string[]): Run {
  const bundle = join(project.root, "dist", "pgstead.cjs");
  const line = `cd ${project.root} && exec node ${bundle} ${args.join(" ")} --stack ${project.stack}`;
  return { command: ["sh", "-c", line], env: definedOf(project.env) };
}

/** The plugin of the docker client, or the older program `docker-compose`. */
function findCompose(): string[] | undefined {
  const names = [["docker", "compose"], ["docker-compose"]];
  const found = names.find(([program = "", ...args]) => {
    return spawnSync(program, [...args, "version"]).status === 0;
  });
  return found && [...found, "-p", `${dev.stack}-peer`, "-f", join(dev.root, "compose.yaml")];
}

function composeDown(): void {
  const [program = "", ...words] = compose ?? [];
  spawnSync(program, [...words, "down", "-v", "-t", "20"], quiet(dev));
}

function quiet(project: StackProject) {
  return { env: project.env, stdio: "ignore" } as const;
}

function definedOf(env: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).filter(([, value]) => value !== undefined),
  ) as never;
}

function seconds(of: Measured | undefined): string {
  return (of as Measured).seconds.toFixed(2);
}

function report(
  what: string,
  of: Measured | undefined,
  peerName: string,
  peer: Measured | undefined,
  goal?: number,
): void {
  const ratio = (of as Measured).seconds / (peer as Measured).seconds;
  const wanted = goal ? ` (goal ${goal})` : "";
  console.log(
    `${what}: ${seconds(of)} s, ${peerName}: ${seconds(peer)} s, ratio ${ratio.toFixed(2)}${wanted}`,
  );
}
