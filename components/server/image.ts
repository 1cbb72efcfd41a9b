import { dirname, join, relative } from "node:path";
import { Command } from "@pulumi/command/local/command.js";
import { Image, type ImageArgs } from "@pulumi/docker/image.js";
import * as pulumi from "@pulumi/pulumi";
import { type Base, PGVECTOR_SOURCE_KEYS } from "../../config/choices.ts";
import { DEFAULTS } from "../../config/defaults.ts";
import { describePgvectorFaults } from "../../config/pgvector-faults.ts";
import { isOlderVersion } from "../../config/version-order.ts";
import { runDocker } from "../../docker/run-docker.ts";
import { bundle, imageFolder } from "../assets.ts";
import { ConfigError } from "../error.ts";
import { explainFailure } from "../guards/hooks.ts";
import { type Transform, transform } from "../transform.ts";
import { explainImageFailure } from "./image-failure.ts";

export interface PostgresImageArgs {
  /** First part of the images' names: `dev` makes `dev-postgres` and `dev-agent`. */
  prefix: string;
  /**
   * What the server's image is built from.
   * @default - PostgreSQL 18 on Alpine, with pgvector compiled from source
   */
  source?: ImageSource | undefined;
  /**
   * Id of an image to run instead of the built one. The engine must have it under the tag
   * `PREFIX-postgres:pinned`, because the agent's image is built on it.
   * @default - the built image runs
   * @example "sha256:0c1d..."
   */
  pinnedImage?: string | undefined;
  /**
   * Address of the Docker engine.
   * @default - the docker client's own
   * @example "ssh://deploy@db.example.com"
   */
  dockerHost?: string | undefined;
  /** Change the images, after the defaults above. @default - nothing is changed */
  transform?: { server?: Transform<ImageArgs>; agent?: Transform<ImageArgs> } | undefined;
}

/** What the server's image is built from. */
export interface ImageSource {
  /**
   * Major version, or major and minor. A cluster stays on its major version.
   * @default "18"
   * @example "18.1"
   */
  version?: string | undefined;
  /**
   * Distribution. A cluster stays on the one it was made on, because users and collations differ.
   * @default "debian"
   */
  base?: Base | undefined;
  /**
   * Image to build on, for closed networks. It must be of the distribution `base`.
   * @default - `postgres:VERSION-trixie`, or `postgres:VERSION-alpine` for `alpine`
   * @example "registry.example.com/postgres:18-trixie"
   */
  baseImage?: string | undefined;
  /** Which pgvector, and where it comes from. @default - 0.8.7, compiled from source */
  pgvector?: PgvectorArgs | undefined;
  /**
   * Docker network of the build: `host` where a mirror listens on loopback.
   * @default - the engine's own
   */
  buildNetwork?: string | undefined;
}

export interface PgvectorArgs {
  /**
   * Compile it from source, or install the distribution's package, which only Debian has.
   * @default "source"
   */
  from?: "source" | "package" | undefined;
  /** Version to compile. @default "0.8.7" */
  version?: string | undefined;
  /** Address of the source archive. @default - the archive of that version on github.com */
  url?: string | undefined;
  /**
   * SHA-256 of the source archive. Another version than the default needs it.
   * @default - the one of version 0.8.7
   */
  sha256?: string | undefined;
  /**
   * Version with known faults to accept, written once more.
   * @default - a version below 0.8.4 is refused
   * @example "0.8.1"
   */
  allowBelowFloor?: string | undefined;
}

const DEFAULT_PGVECTOR = {
  version: "0.8.7",
  sha256: "cac0b10c360f05b2d521200105ba3697e773d4cd3731f5a915a7e37ebe0bea85",
};

/** Below it, faults of HNSW indexes lose data; `pgvector-faults.ts` lists them. */
export const PGVECTOR_FLOOR = "0.8.4";

/**
 * Two images. The server's holds PostgreSQL and pgvector; the agent's is built on it and adds `pgstead`.
 * Both are named by their content, so a rebuild under the same tag is another image.
 *
 * @example
 * new PostgresImage("image", { prefix: "dev", source: { base: "debian" } });
 */
export class PostgresImage extends pulumi.ComponentResource {
  /** Id of the image that the server runs. */
  readonly server: pulumi.Output<string>;
  /** Id of the agent's image. */
  readonly agent: pulumi.Output<string>;
  /** Version of the server in the image, like `18.1`. */
  readonly postgresVersion: pulumi.Output<string>;
  /** Version of pgvector in the image, like `0.8.7`. */
  readonly pgvectorVersion: pulumi.Output<string>;
  /** The resources underneath, for what the outputs do not cover. */
  readonly nodes: { server: Image; agent: Image; versions: Command };

  constructor(name: string, args: PostgresImageArgs, opts?: pulumi.ComponentResourceOptions) {
    super("pgstead:index:PostgresImage", name, {}, opts);

    const parent = this;
    const source = args.source ?? {};
    const { base = DEFAULTS.postgres.base, version = DEFAULTS.postgres.version } = source;
    const pgvector = normalizePgvector(name, base, source.pgvector);
    const platform = pulumi.output(findPlatform(args.dockerHost));
    const server = createServer();
    const serverId = args.pinnedImage ?? server.repoDigest;
    const pinnedTag = `${args.prefix}-postgres:pinned`;
    const agent = createAgent();
    const versions = createVersions();

    this.server = pulumi.output(serverId);
    this.agent = agent.repoDigest;
    const found = versions.stdout.apply((json) => readVersions(json, source.pgvector));
    this.postgresVersion = found.apply(({ postgres }) => postgres);
    this.pgvectorVersion = found.apply(({ pgvector: installed }) => {
      const warning = describePgvectorFaults(installed);
      if (warning) void pulumi.log.warn(warning, parent);
      return installed;
    });
    this.nodes = { server, agent, versions };
    this.registerOutputs({ server: this.server, agent: this.agent });

    function createServer() {
      const defaults = {
        imageName: `${args.prefix}-postgres:${version}-${base}`,
        skipPush: true,
        build: {
          context: relativeToHere(imageFolder),
          dockerfile: relativeToHere(join(imageFolder, `Dockerfile.${base}`)),
          args: { BASE_IMAGE: source.baseImage ?? nameBaseImage(version, base), ...pgvector },
          platform,
          ...(source.buildNetwork && { network: source.buildNetwork }),
        },
      };
      const { PGVECTOR_URL: url, PGVECTOR_SHA256: sha256 } = pgvector;
      const explain = (error: string) => explainImageFailure(error, { url, sha256 });
      return new Image(
        ...transform<ImageArgs>(args.transform?.server, `${name}-server`, defaults, {
          parent,
          hooks: explainFailure(`${name}-server`, explain),
        }),
      );
    }

    function createAgent() {
      const defaults = {
        imageName: `${args.prefix}-agent:${version}-${base}`,
        skipPush: true,
        build: {
          context: relativeToHere(dirname(bundle)),
          dockerfile: relativeToHere(join(imageFolder, "Dockerfile.agent")),
          // The tag stays when the server's image changes; the id makes this a new build.
          args: {
            SERVER_IMAGE: args.pinnedImage ? pinnedTag : server.imageName,
            SERVER_ID: serverId,
          },
          platform,
          ...(source.buildNetwork && { network: source.buildNetwork }),
        },
      };
      return new Image(
        ...transform<ImageArgs>(args.transform?.agent, `${name}-agent`, defaults, {
          parent,
        }),
      );
    }

    function createVersions() {
      // The image itself is asked, because a tag or a package can name another version.
      const environment = {
        PGSTEAD_IMAGE: serverId,
        ...(args.dockerHost && { DOCKER_HOST: args.dockerHost }),
      };
      const create =
        'docker run --rm --network none --entrypoint pgstead-versions "$PGSTEAD_IMAGE"';
      return new Command(`${name}-versions`, { create, environment, logging: "none" }, { parent });
    }
  }
}

/** The engine may be another machine with another processor. Without an engine there is no build. */
async function findPlatform(host?: string): Promise<string> {
  const env = { ...process.env, ...(host && { DOCKER_HOST: host }) };
  const version = ["version", "--format", "{{.Server.Os}}/{{.Server.Arch}}"];
  const { kind, stdout } = await runDocker(version, { env });
  if (kind === "found") return stdout.trim();
  return `linux/${process.arch === "arm64" ? "arm64" : "amd64"}`;
}

/** Relative, so that the state is the same whichever machine runs the program. */
const relativeToHere = (path: string) => relative(process.cwd(), path) || ".";

/** The official image. */
export const nameBaseImage = (version: string, base: Base) =>
  `postgres:${version}-${base === "alpine" ? "alpine" : "trixie"}`;

/** The build arguments of the Dockerfile. */
export function normalizePgvector(
  name: string,
  base: Base,
  args: PgvectorArgs = {},
): Record<string, string> {
  const from = args.from ?? "source";
  if (from === "package") {
    const unused = PGVECTOR_SOURCE_KEYS.find((key) => args[key] !== undefined);
    if (unused) {
      throw new ConfigError(
        `"pgvector.${unused}" of "${name}" has no effect, because "pgvector.from" is "package"; leave out one of them`,
      );
    }
    if (base === "debian") return { PGVECTOR_FROM: "package" };
    throw new ConfigError(
      `"pgvector.from" of "${name}" is "package", which only base "debian" has; leave it out, or set "base" to "debian"`,
    );
  }
  const version = args.version ?? DEFAULT_PGVECTOR.version;
  assertFloor(version, args.allowBelowFloor);
  const sha256 =
    args.sha256 ?? (version === DEFAULT_PGVECTOR.version ? DEFAULT_PGVECTOR.sha256 : undefined);
  if (!sha256) {
    throw new ConfigError(
      `"pgvector.sha256" of "${name}" is missing; version ${version} needs the checksum of its source (only ${DEFAULT_PGVECTOR.version} has one built in)`,
    );
  }
  return {
    PGVECTOR_VERSION: version,
    PGVECTOR_URL:
      args.url ?? `https://github.com/pgvector/pgvector/archive/refs/tags/v${version}.tar.gz`,
    PGVECTOR_SHA256: sha256,
    ...(base === "debian" && { PGVECTOR_FROM: "source" }),
  };
}

export function assertFloor(version: string, allowed?: string): void {
  if (!isOlderVersion(version, PGVECTOR_FLOOR) || allowed === version) return;
  throw new ConfigError(
    `pgvector ${version} has faults that lose data (fixed in ${PGVECTOR_FLOOR}); take ${PGVECTOR_FLOOR} or newer, or set postgres.pgvector.allowBelowFloor to "${version}"`,
  );
}

function readVersions(json: string, pgvector?: PgvectorArgs) {
  const found = JSON.parse(json) as { postgres: string; pgvector: string };
  if (!found.pgvector) throw new ConfigError("the image holds no pgvector");
  assertFloor(found.pgvector, pgvector?.allowBelowFloor);
  return found;
}
