import { CHANGE_MS, type DockerAnswer } from "../../../docker/run-docker.ts";
import { mistake, unreachable } from "../../../operate/error.ts";
import {
  askEngine,
  createEngineError,
  findOnEngine,
  runInContainer,
} from "../docker/ask-engine.ts";

/** The server as the program declares it; the components' `ChangeGuard` writes it. */
export interface WantedServer {
  /** All settings of its command line, by name. */
  settings: Record<string, string>;
  /** What `postgres.settings` gives. */
  given: Record<string, string | number | boolean>;
  cpus?: number;
  memoryMb?: number;
  /** Shared memory of the container. */
  shmMb: number;
  maintenanceWorkMemMb?: number;
  /** Published port. */
  port?: number;
  stopSeconds: number;
  /** `given` if the certificate is. */
  tls?: { required?: boolean; names?: string[]; renewal?: string } | "given";
}

export interface ServerTrial {
  prefix: string;
  /** Without it the running server's image is used: a preview does not know the new one yet. */
  image?: string;
  server: WantedServer;
}

/** What the trial compares of the running container. */
interface RunningServer {
  image: string;
  settings: Record<string, string>;
  cpus: number;
  memoryMb: number;
  port: number | undefined;
}

/**
 * Tries what is new in the declared server while the running one goes on: limits and port against the
 * engine, settings by a server that starts on an empty folder. Changes nothing.
 */
export async function tryServer({ prefix, image, server }: ServerTrial): Promise<void> {
  const container = `${prefix}-postgres`;
  const running = await findRunning(container);
  await assertLimits(server, running);
  if (server.port && server.port !== running?.port)
    await assertPort(server.port, container, running);
  const tried = image ?? running?.image;
  if (tried && needsStart(server, tried, running)) await assertStarts(server, tried);
}

async function findRunning(container: string): Promise<RunningServer | undefined> {
  const format = "[{{json .Image}},{{json .Config.Cmd}},{{json .HostConfig}}]";
  const inspect = ["container", "inspect", "--format", format, container];
  const found = await findOnEngine(process.env, inspect);
  if (found === undefined) return undefined;
  const [image, command, { NanoCpus, Memory, PortBindings }] = JSON.parse(found);
  const bound = PortBindings?.["5432/tcp"]?.[0]?.HostPort;
  return {
    image,
    settings: readCommand(command ?? []),
    cpus: NanoCpus / 1e9,
    memoryMb: Memory / 2 ** 20,
    port: bound === undefined ? undefined : Number(bound),
  };
}

/** The settings in a command line of `-c name=value`. */
function readCommand(command: string[]): Record<string, string> {
  const given = command.filter((_, index) => command[index - 1] === "-c");
  return Object.fromEntries(
    given.map((each) => {
      const [name = "", ...value] = each.split("=");
      return [name, value.join("=")];
    }),
  );
}

async function assertLimits({ cpus, memoryMb }: WantedServer, running?: RunningServer) {
  const isNew = (cpus && cpus !== running?.cpus) || (memoryMb && memoryMb !== running?.memoryMb);
  if (!isNew) return;
  const answer = await askEngine(process.env, ["info", "--format", "{{.NCPU}} {{.MemTotal}}"]);
  const [processors = 0, bytes = 0] = answer.split(" ").map(Number);
  const heldMb = Math.floor(bytes / 2 ** 20);
  if (cpus && cpus > processors) {
    throw mistake(
      `postgres.cpus is ${cpus}, and the engine's machine has ${processors}; set it to ${processors} or less`,
    );
  }
  if (memoryMb && memoryMb > heldMb) {
    throw mistake(
      `postgres.memoryMb is ${memoryMb}, and the engine's machine has ${heldMb}; set it to ${heldMb} or less`,
    );
  }
}

/** Publishes the port for a moment, because a program that is no container may hold it, too. */
async function assertPort(port: number, container: string, running?: RunningServer) {
  const holder = await findHolder(port, container);
  if (holder) throw portInUse(port, `container "${holder}"`);
  if (!running) return;
  const run = ["run", "--rm", "-p", `127.0.0.1:${port}:5432`, "--entrypoint", "true"];
  const answer = await runInContainer(process.env, [...run, running.image]);
  if (/already (allocated|in use)|not available/.test(answer.reason)) {
    throw portInUse(port, "another program");
  }
}

async function findHolder(port: number, container: string): Promise<string | undefined> {
  const format = ["--filter", `publish=${port}`, "--format", "{{.Names}} {{.Ports}}"];
  const lines = (await askEngine(process.env, ["ps", ...format])).split("\n");
  const isBound = new RegExp(`(^|[ ,])(127\\.0\\.0\\.1|0\\.0\\.0\\.0):${port}->`);
  const names = lines.filter((line) => isBound.test(line)).map((line) => line.split(" ")[0]);
  return names.find((name) => name !== container);
}

const portInUse = (port: number, holder: string) =>
  mistake(
    `port ${port} of 127.0.0.1 on the engine's machine is in use by ${holder}; set pgstead:port to a free port, or stop what uses it`,
  );

/** Settings that follow from the size are tried on a change only; a first `up` has no server to lose. */
function needsStart({ settings, given }: WantedServer, image: string, running?: RunningServer) {
  const isGiven = Object.keys(given).length > 0;
  if (!running) return isGiven;
  if (isGiven && image !== running.image) return true;
  const names = Object.keys({ ...running.settings, ...settings });
  return names.some((name) => settings[name] !== running.settings[name] && !isPlace(name));
}

/** Where TLS and authentication have their files: the program decides it, not `postgres.settings`. */
const isPlace = (name: string) =>
  ["hba_file", "ident_file", "ssl", "ssl_cert_file", "ssl_key_file"].includes(name);

/** Creates a cluster, starts the server on it with the arguments, and stops it. */
const SCRIPT = `
initdb -D /tmp/trial -U postgres -A trust --no-sync --no-instructions >/dev/null || exit
postgres -D /tmp/trial "$@" -c listen_addresses= -c unix_socket_directories=/tmp &
server=$! tries=0
until pg_isready -q -h /tmp; do
  kill -0 $server 2>/dev/null || { wait $server; exit; }
  tries=$((tries + 1))
  [ $tries -le 300 ] || { echo "FATAL:  it is not ready after 30 s" >&2; exit 70; }
  sleep 0.1
done
kill -INT $server
wait $server`;

async function assertStarts({ settings, memoryMb, shmMb }: WantedServer, image: string) {
  const limits = [
    ...["--shm-size", `${shmMb}m`],
    ...(memoryMb ? ["--memory", `${memoryMb}m`, "--memory-swap", `${memoryMb}m`] : []),
  ];
  const isolated = ["--network", "none", "--cap-drop", "ALL", "--user", "postgres"];
  const run = ["run", "--rm", "--init", ...isolated, ...limits, "--entrypoint", "sh", image];
  const values = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const command = [...run, "-c", SCRIPT, "trial", ...values];
  const answer = await runInContainer(process.env, command, CHANGE_MS);
  if (answer.kind === "found") return;
  if (answer.kind !== "failed") throw createEngineError(process.env, answer);
  throw describeFailedStart(answer);
}

function describeFailedStart({ code, stderr }: DockerAnswer) {
  const reason = /^(?:.*FATAL: +|postgres: )(.+)$/m.exec(stderr)?.[1];
  if (!reason) {
    return unreachable(`the new settings could not be tried (exit code ${code}): ${stderr.trim()}`);
  }
  const name = /parameter "([^"]+)"/.exec(reason)?.[1];
  const hint = /^.*HINT: +(.+)$/m.exec(stderr)?.[1];
  return mistake(
    `the server does not start with these settings: ${reason}${hint ? ` (${hint})` : ""}; correct postgres.settings${name ? `.${name}` : ""}. Nothing was changed`,
  );
}
