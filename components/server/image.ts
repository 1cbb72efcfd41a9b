import { dirname, join, relative } from "node:path";
import { Command } from "@pulumi/command/local/command.js";
import { Image, type ImageArgs } from "@pulumi/docker/image.js";
import * as pulumi from "@pulumi/pulumi";
import { isOlderVersion } from "../../config/version-order.ts";
import { bundle, imageFolder } from "../assets.ts";
import { ConfigError } from "../error.ts";
import { explainFailure } from "../guards/hooks.ts";
import { type Transform, transform } from "../transform.ts";
import { explainImageFailure } from "./image-failure.ts";

export type Base = "alpine" | "debian";

export interface PostgresImageArgs {
  /** First part of the images' names: `dev` makes `dev-postgres` and `dev-agent`. */
  prefix: string;
  /** Major version, or major and minor: `18`, `18.1`. A new major needs `pgstead upgrade`. */
  version?: string;
  /**
   * Distribution. A cluster stays on the one it was made on: users and collations differ.
   * @default "alpine"
   */
  base?: Base;
  /** The image to build on, for closed networks. @default - postgres:VERSION-alpine, -trixie */
  baseImage?: string;
  pgvector?: PgvectorArgs;
  /** Id of the image that runs instead of this one, tagged `PREFIX-postgres:pinned`. */
  pinned?: string | undefined;
  /** Network of the build: `host` where a mirror listens on loopback. @default - the engine's own */
  buildNetwork?: string;
  /** Address of the engine. @default - the docker client's own */
  dockerHost?: string;
  transform?: { server?: Transform<ImageArgs>; agent?: Transform<ImageArgs> };
}

export interface PgvectorArgs {
  /** Compiled from source, or the distribution's package (Debian only). @default "source" */
  from?: "source" | "package";
  /** @default "0.8.6" */
  version?: string;
  /** Where the source is fetched from. @default - pgvector's archive of that version */
  url?: string;
  /** SHA-256 of the source. Required with another version or archive than the default. */
  sha256?: string;
  /** Take a version with known faults, named once more. */
  allowBelowFloor?: string;
}

const DEFAULT_PGVECTOR = {
  version: "0.8.6",
  sha256: "10bf9938906e5d643bbc4a7eea104b6f57ba4898e5b76b20e60484ea1d5a7f8f",
};

/** 0.8.2 fixes a buffer overflow in parallel HNSW builds, 0.8.3 and 0.8.4 faults of HNSW vacuum. */
export const PGVECTOR_FLOOR = "0.8.4";

/**
 * The image of the server, PostgreSQL with pgvector, and the agent's, which is the server's with what
 * acts on it. Both are known by their content: a rebuild under the same tag is another image.
 *
 * @example
 * new PostgresImage("image", { prefix: "dev", base: "debian" });
 */
export class PostgresImage extends pulumi.ComponentResource {
  /** Id of the image that the server runs. */
  readonly server: pulumi.Output<string>;
  /** Id of the agent's image. */
  readonly agent: pulumi.Output<string>;
  readonly postgresVersion: pulumi.Output<string>;
  readonly pgvectorVersion: pulumi.Output<string>;
  /** The resources underneath, for what the outputs do not cover. */
  readonly nodes: { server: Image; agent: Image; versions: Command };

  constructor(name: string, args: PostgresImageArgs, opts?: pulumi.ComponentResourceOptions) {
    super("pgstead:index:PostgresImage", name, {}, opts);

    const parent = this;
    const base = args.base ?? "alpine";
    const version = args.version ?? "18";
    const pgvector = normalizePgvector(name, base, args.pgvector);
    const server = createServer();
    const runs = args.pinned ?? server.repoDigest;
    const pinnedTag = `${args.prefix}-postgres:pinned`;
    const agent = createAgent();
    const versions = createVersions();

    this.server = pulumi.output(runs);
    this.agent = agent.repoDigest;
    const found = versions.stdout.apply((json) => readVersions(json, args.pgvector));
    this.postgresVersion = found.apply(({ postgres }) => postgres);
    this.pgvectorVersion = found.apply(({ pgvector: installed }) => installed);
    this.nodes = { server, agent, versions };
    this.registerOutputs({ server: this.server, agent: this.agent });

    function createServer() {
      const defaults = {
        imageName: `${args.prefix}-postgres:${version}-${base}`,
        skipPush: true,
        build: {
          context: fromHere(imageFolder),
          dockerfile: fromHere(join(imageFolder, `Dockerfile.${base}`)),
          args: { BASE_IMAGE: args.baseImage ?? baseImage(version, base), ...pgvector },
          platform: PLATFORM,
          ...(args.buildNetwork && { network: args.buildNetwork }),
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
          context: fromHere(dirname(bundle)),
          dockerfile: fromHere(join(imageFolder, "Dockerfile.agent")),
          // The tag stays when the server's image changes; its content makes this a new build.
          args: { SERVER_IMAGE: args.pinned ? pinnedTag : server.imageName, SERVER_ID: runs },
          platform: PLATFORM,
          ...(args.buildNetwork && { network: args.buildNetwork }),
        },
      };
      return new Image(
        ...transform<ImageArgs>(args.transform?.agent, `${name}-agent`, defaults, {
          parent,
        }),
      );
    }

    function createVersions() {
      // Asked of the image: a tag or a package says less than what it holds.
      const environment = {
        PGSTEAD_IMAGE: runs,
        ...(args.dockerHost && { DOCKER_HOST: args.dockerHost }),
      };
      const create =
        'docker run --rm --network none --entrypoint pgstead-versions "$PGSTEAD_IMAGE"';
      return new Command(`${name}-versions`, { create, environment, logging: "none" }, { parent });
    }
  }
}

// The engine of a stack may be another machine, but what runs there is built for servers.
const PLATFORM = `linux/${process.arch === "arm64" ? "arm64" : "amd64"}`;

/** Relative, so that the state is the same whichever machine runs the program. */
const fromHere = (path: string) => relative(process.cwd(), path) || ".";

export const baseImage = (version: string, base: Base) =>
  `postgres:${version}-${base === "alpine" ? "alpine" : "trixie"}`;

/** The build arguments of the Dockerfile. */
export function normalizePgvector(
  name: string,
  base: Base,
  args: PgvectorArgs = {},
): Record<string, string> {
  const from = args.from ?? "source";
  if (from === "package") {
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
