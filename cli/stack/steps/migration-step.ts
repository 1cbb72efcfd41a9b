import type { ExitCode } from "../../../operate/error.ts";
import { inherit } from "../docker/inherit.ts";
import { waitForServer } from "../docker/server-container.ts";
import { packFolder } from "../docker/tar.ts";
import { reportExitCode, reportingExitCode } from "../pulumi/report-exit-code.ts";

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
const KEPT = "/var/lib/pgstead/migrations";

/** The files stay behind in the agent's volume: `pgstead status` in the container reads them there. */
const UNPACK = `rm -rf ${NEW} && mkdir ${NEW} && tar -xf - -C ${NEW} && rm -rf ${KEPT} && mv ${NEW} ${KEPT}`;

/** Waits for the server, then roles, extensions and migrations in a one-off container beside it. */
export function runMigrationStep(step: MigrationStep): Promise<ExitCode> {
  return reportingExitCode(async () => {
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
  const run = [...oneOff(step), step.image, "sh", "-c", script];
  const code = await inherit(process.env, run, archive);
  return code === 0 && step.tool ? runTool(step, step.tool) : code;
}

function oneOff({ network, volumes }: MigrationStep): string[] {
  const mounts = Object.entries(volumes).flatMap(([path, volume]) => ["-v", `${volume}:${path}`]);
  // The image declares a volume for a cluster; without this each run would leave one behind.
  const noCluster = ["--tmpfs", "/var/lib/postgresql"];
  const env = ["-e", "PGSTEAD_ANNOUNCED=1"];
  return ["run", "--rm", "-i", "--init", "--network", network, ...mounts, ...noCluster, ...env];
}

/** The URL is read from its file by the shell inside, into the tool's own environment. */
function runTool({ network }: MigrationStep, tool: NonNullable<MigrationStep["tool"]>) {
  const { command, image, urlVariable, volume, mountedAt } = tool;
  const script = `${urlVariable}="$(cat ${mountedAt}/url)" && export ${urlVariable} && ${command}`;
  const mount = ["-v", `${volume}:${mountedAt}:ro`];
  const args = ["run", "--rm", "--init", "--network", network, ...mount, "--entrypoint", "sh"];
  return inherit(process.env, [...args, image, "-c", script]);
}
