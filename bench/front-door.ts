import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Project } from "../test/support/project.ts";
import { measure } from "./measure.ts";

/** `npm run bench front-door`: compares a newcomer's first commands with the least they could take. */
const RUNS = 5;

const project = await Project.create();
try {
  await help();
  const env = JSON.parse((await project.pgstead(["env", "--json"])).stdout) as Record<
    string,
    string
  >;
  const first = await project.pgstead(["up"]);
  if (first.code !== 0) throw new Error(first.all);
  await preview(env);
  await secondUp();
  await memoryAtRest();
} finally {
  await project.remove();
}

async function help(): Promise<void> {
  const bundle = join(project.root, "dist", "pgstead.cjs");
  const { node, ours } = await measure(
    {
      node: { command: [process.execPath, "-e", "0"] },
      ours: { command: [process.execPath, bundle, "--help"] },
    },
    15,
  );
  report("pgstead --help", ours!.seconds, "bare node", node!.seconds, 2.2);
}

/** Runs both with plain Pulumi, in the same environment, on the same kind of state. */
async function preview(env: Record<string, string>): Promise<void> {
  const empty = join(project.root, "empty");
  mkdirSync(empty);
  symlinkSync(join(project.root, "node_modules"), join(empty, "node_modules"));
  const yaml = readFileSync(join(project.root, "Pulumi.yaml"), "utf8");
  writeFileSync(
    join(empty, "Pulumi.yaml"),
    `${
      yaml
        .replace(/^name:.*/m, "name: empty")
        .replace("./tools/preload.mjs", "../tools/preload.mjs")
        .split("# generated")[0]
    }`,
  );
  writeFileSync(join(empty, "package.json"), '{"type":"module"}');
  writeFileSync(join(empty, "index.ts"), "export {};\n");
  const created = await project.run("pulumi", ["stack", "init", "local"], { cwd: empty, env });
  if (created.code !== 0) throw new Error(created.all);
  const command = (cwd: string) => ["pulumi", "preview", "--stack", "local", "--cwd", cwd];
  const { floor, ours } = await measure(
    {
      floor: { command: command(empty), env },
      ours: { command: command(project.root), env },
    },
    RUNS,
  );
  report("preview of local", ours!.seconds, "an empty program", floor!.seconds, 2);
}

async function secondUp(): Promise<void> {
  const bundle = join(project.root, "dist", "pgstead.cjs");
  const settings = join(project.folder, "settings.json");
  const env = { PULUMI_HOME: project.env.PULUMI_HOME as string };
  const { up, step } = await measure(
    {
      up: { command: ["sh", "-c", `cd ${project.root} && node ${bundle} up`], env },
      step: { command: [process.execPath, bundle, "migrate", "up", "--settings", settings], env },
    },
    RUNS,
  );
  console.log(
    `second up of local: ${up!.seconds.toFixed(2)} s (goal 4 s); the migration step alone ${step!.seconds.toFixed(2)} s, the rest is Pulumi's engine and the program`,
  );
}

async function memoryAtRest(): Promise<void> {
  await project.pgstead(["restart"]);
  const { pid } = JSON.parse(readFileSync(join(project.folder, "server.lock"), "utf8"));
  const resident = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  console.log(`embedded server at rest: ${Math.round(Number(resident) / 1024)} MB resident`);
}

function report(what: string, ours: number, floor: string, seconds: number, goal: number): void {
  const ratio = ours / seconds;
  console.log(
    `${what}: ${ours.toFixed(3)} s, ${floor}: ${seconds.toFixed(3)} s, ratio ${ratio.toFixed(2)} (goal ${goal})`,
  );
}
