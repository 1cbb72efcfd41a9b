import { accessSync, constants, existsSync, mkdirSync, realpathSync } from "node:fs";
import { basename, delimiter, dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { mistake } from "../../../operate/error.ts";
import { LANGUAGE_HOST_FOLDER } from "../../package-root.ts";
import { isEmbedded, readStackFile, usesSecretsProvider } from "../stack-file.ts";

/** Stacks without data of value: their state is in the checkout, and their passphrase is public. */
const THROW_AWAY = ["local", "dev"];
const KNOWN_PASSPHRASE = "pgstead";

/** The environment of a Pulumi command for one of our stacks. Values of the caller always win. */
export function pulumiEnvironment(
  root: string,
  stack: string,
  program: string,
  given: NodeJS.ProcessEnv = process.env,
): NodeJS.ProcessEnv {
  const folders = [program, process.execPath].reduceRight(
    putOnPath,
    (given.PATH ?? "").split(delimiter).filter(Boolean),
  );
  // A CLI that somebody built from source has no language host for Node, so ours comes last.
  folders.push(LANGUAGE_HOST_FOLDER);
  return {
    ...given,
    PATH: folders.join(delimiter),
    PULUMI_BACKEND_URL: backendUrl(root, stack, given),
    ...passphrase(root, stack, given),
    PULUMI_SKIP_UPDATE_CHECK: "true",
    ...(isEmbedded(readStackFile(root, stack)) && {
      PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
    }),
  };
}

/** Puts the program's folder first, unless PATH already leads to this program. */
function putOnPath(folders: string[], program: string): string[] {
  const first = folders.map((folder) => join(folder, basename(program))).find(existsSync);
  const isOurs = first && realpathSync(first) === realpathSync(program);
  return isOurs ? folders : [dirname(program), ...folders];
}

export function backendUrl(root: string, stack: string, given = process.env): string {
  if (given.PULUMI_BACKEND_URL) return given.PULUMI_BACKEND_URL;
  if (THROW_AWAY.includes(stack)) {
    const folder = join(root, ".pgstead", "state");
    makeFolder(folder);
    return pathToFileURL(folder).href;
  }
  // A login of `pulumi` is not used: two people would deploy from two states.
  throw mistake(
    `stack "${stack}" needs a state backend that other people reach, too: set PULUMI_BACKEND_URL, for example to s3://my-state-bucket or https://api.pulumi.com`,
  );
}

function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true });
  } catch (error) {
    // On a read-only file system Node reports "no such file"; accessSync reports the reason.
    accessSync(dirname(folder), constants.W_OK);
    throw error;
  }
}

function passphrase(root: string, stack: string, given: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const has = given.PULUMI_CONFIG_PASSPHRASE !== undefined || given.PULUMI_CONFIG_PASSPHRASE_FILE;
  if (has || usesSecretsProvider(readStackFile(root, stack))) return {};
  if (THROW_AWAY.includes(stack)) return { PULUMI_CONFIG_PASSPHRASE: KNOWN_PASSPHRASE };
  throw mistake(
    `stack "${stack}" has no key for its secrets: set PULUMI_CONFIG_PASSPHRASE_FILE (or PULUMI_CONFIG_PASSPHRASE), or give it a key with "pulumi stack init ${stack} --secrets-provider awskms://..."`,
  );
}
