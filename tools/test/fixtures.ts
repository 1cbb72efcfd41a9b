import { spawn, spawnSync } from "node:child_process";

export type Fixture = "engine" | "s3" | "psql";

const scripts: Record<Fixture, string[]> = {
  engine: ["test/fixture/base-image"],
  s3: ["test/fixture/s3", "start"],
  psql: ["test/fixture/programs", "psql"],
};

/** Where the fixture is neither there nor may be made: why. Asked before anything runs. */
export function findObstacle(fixture: Fixture): string | undefined {
  if (process.getuid?.() === 0) return undefined;
  const isThere = {
    engine: () => succeeds("docker", "version"),
    s3: () => succeeds("python3", "-c", "import venv, ensurepip"),
    psql: () => succeeds("psql", "--version"),
  };
  const lacks = {
    engine: "no Docker engine answers, and only root can start one",
    s3: "python3 with venv is not installed, and only root can install it",
    psql: '"psql" is not installed, and only root can install it',
  };
  return isThere[fixture]() ? undefined : lacks[fixture];
}

const succeeds = (program: string, ...args: string[]) => spawnSync(program, args).status === 0;

/** Brings the fixture up, which may take minutes the first time; returns why it could not. */
export async function bringUp(fixture: Fixture): Promise<string | undefined> {
  const [program, ...args] = scripts[fixture] as [string, ...string[]];
  const child = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.on("data", (data) => {
    said += data;
    process.stderr.write(data);
  });
  const code = await new Promise((resolve) => child.once("close", resolve));
  return code === 0 ? undefined : `${program}: ${said.trim().split("\n").at(-1)}`;
}
