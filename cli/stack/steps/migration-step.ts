import type { ExitCode } from "../../../operate/error.ts";
import { inherit } from "../docker/inherit.ts";
import { waitForServer } from "../docker/server-container.ts";
import { packFolder } from "../docker/tar.ts";
import { reportExitCode, withReportedExitCode } from "../pulumi/report-exit-code.ts";

/** What the declared step hands over; the components' `Migrations` writes it. */
export interface MigrationStep {
  container: string;
  image: string;
  network: string;
  volumes: Record<string, string>;
  startSeconds: number;
  folder: string;
  tool?: {
    command: string;
    image: string;
    urlVariable: string;
    /** Volume that holds the URL in the file `url`. */
    volume: string;
    mountedAt: string;
  };
}

const NEW = "/var/lib/pgstead/migrations.new";
const CURRENT = "/var/lib/pgstead/migrations";

/** The files stay in the agent's volume, because `pgstead status` in the container reads them. */
const UNPACK = `rm -rf ${NEW} && mkdir ${NEW} && tar -xf - -C ${NEW} && rm -rf ${CURRENT} && mv ${NEW} ${CURRENT}`;

/** Waits for the server, then runs bootstrap and the migrations in a one-off container. */
export function runMigrationStep(step: MigrationStep): Promise<ExitCode> {
  return withReportedExitCode(async () => {
    const code = await migrate(step);
    reportExitCode(code);
    return code as ExitCode;
  });
}

async function migrate(step: MigrationStep): Promise<number> {
  await waitForServer(process.env, step.container, step.startSeconds);
  const verbs = step.tool ? ["bootstrap"] : ["bootstrap", "migrate up"];
  const script = [UNPACK, ...verbs.map((verb) => `pgstead ${verb}`)].join(" && ");
  const archive = packFolder(step.folder);
  const run = [...createRunArgs(step), step.image, "sh", "-c", script];
  const code = await inherit(process.env, run, archive);
  return code === 0 && step.tool ? runTool(step, step.tool) : code;
}

function createRunArgs({ network, volumes }: MigrationStep): string[] {
  const mounts = Object.entries(volumes).flatMap(([path, volume]) => ["-v", `${volume}:${path}`]);
  // The image declares a volume for a cluster; without this each run would leave an empty volume.
  const noCluster = ["--tmpfs", "/var/lib/postgresql"];
  const env = ["-e", "PGSTEAD_ANNOUNCED=1"];
  return ["run", "--rm", "-i", "--init", "--network", network, ...mounts, ...noCluster, ...env];
}

/** The shell in the container reads the URL: docker's command line and `docker inspect` do not show it. */
function runTool({ network }: MigrationStep, tool: NonNullable<MigrationStep["tool"]>) {
  const { command, image, urlVariable, volume, mountedAt } = tool;
  const script = `${urlVariable}="$(cat ${mountedAt}/url)" && export ${urlVariable} && ${command}`;
  const mount = ["-v", `${volume}:${mountedAt}:ro`];
  const args = ["run", "--rm", "--init", "--network", network, ...mount, "--entrypoint", "sh"];
  return inherit(process.env, [...args, image, "-c", script]);
}
