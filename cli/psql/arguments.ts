import { mistake } from "../../operate/error.ts";

/** psql's flags, read as its getopt does, where psql runs in the server's container. */
export interface PsqlCall {
  /** What psql gets: files of this machine are replaced by stdin. */
  args: string[];
  /** What stdin is: `-` stands for the person's own. Undefined: psql reads no script from it. */
  scripts: string[] | undefined;
  /** `-o`: the file of this machine that gets the output. */
  out: string | undefined;
  /** Commands of `-c`. */
  commands: string[];
  /** A role is named: by `-U`, or as the second argument. */
  namesRole: boolean;
}

const WITH_VALUE = "cdfFhLopPRTUv";
const LONG: Record<string, string> = {
  command: "c",
  dbname: "d",
  file: "f",
  "field-separator": "F",
  host: "h",
  "log-file": "L",
  output: "o",
  port: "p",
  pset: "P",
  "record-separator": "R",
  "table-attr": "T",
  username: "U",
  set: "v",
  variable: "v",
};
const LONG_WITHOUT_VALUE =
  "echo-all no-align csv echo-queries echo-errors echo-hidden html list no-readline single-transaction quiet single-step single-line tuples-only no-password version password expanded no-psqlrc field-separator-zero record-separator-zero help".split(
    " ",
  );
/** They print and end. */
const ENDS = ["l", "V", "?", "list", "version", "help"];

/** Options of `pgstead psql` itself. */
const OWN_WITH_VALUE = ["-s", "--stack", "--settings", "--as"];
const OWN_WITHOUT_VALUE = ["--json", "-y", "--yes"];

interface Flag {
  name: string;
  value?: string;
  /** As it was typed. */
  typed: string[];
}

/**
 * Moves our own options in front of psql's flags, because commander reads options only up to psql's first
 * argument. An option that is not read would send the SQL to another stack.
 */
export function moveOwnOptionsFirst(given: string[]): string[] {
  const own: string[] = [];
  const others: string[] = [];
  for (let rest = [...given]; rest.length > 0; ) {
    const [arg = "", ...next] = rest;
    const option = arg === "--" ? undefined : ownOption(arg, next);
    if (option) own.push(...option);
    else {
      // Asked for what it takes from `next`: the value of a flag is no option of ours.
      if (arg === "--") next.length = 0;
      else for (const _ of flagsIn(arg, next));
      others.push(...rest.slice(0, rest.length - next.length));
    }
    rest = next;
  }
  return [...own, ...others];
}

export function readPsqlArguments(given: string[]): PsqlCall {
  const args: string[] = [];
  const scripts: string[] = [];
  const commands: string[] = [];
  let out: string | undefined;
  let ends = false;
  let namesRole = false;
  let names = 0;
  /** Between the first `-f` and the last there may be no `-c`: one stdin stands for all of them. */
  let isAfterFile: "no" | "directly" | "behind a command" = "no";
  for (const { name, value = "", typed } of flagsOf(given)) {
    if (name === "f") {
      if (isAfterFile === "behind a command") {
        throw mistake("give all -f one after the other, without a -c between them");
      }
      if (isAfterFile === "no") args.push("-f", "-");
      isAfterFile = "directly";
      scripts.push(value);
    } else if (name === "o") out = outputFile(value);
    else if (name === "L") {
      throw mistake(
        'psql runs in the server\'s container, so -L cannot write a file here; "pgstead psql -e ... 2>&1 | tee FILE" does the same',
      );
    } else {
      if (name === "c") {
        commands.push(value);
        if (isAfterFile !== "no") isAfterFile = "behind a command";
      }
      if (ENDS.includes(name)) ends = true;
      if (name === "") names += typed.filter((text) => text !== "--").length;
      if (name === "U" || names > 1) namesRole = true;
      args.push(...typed);
    }
  }
  const readsStdin = scripts.length === 0 && commands.length === 0 && !ends;
  return {
    ...{ args, out, commands, namesRole },
    scripts: readsStdin ? ["-"] : scripts.length > 0 ? scripts : undefined,
  };
}

function outputFile(value: string): string {
  if (!value.startsWith("|")) return value;
  throw mistake(`psql runs in the server's container; "pgstead psql ... ${value}" pipes here`);
}

function* flagsOf(given: string[]): Generator<Flag> {
  const rest = [...given];
  for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
    if (arg === "--") {
      yield { name: "", typed: [arg, ...rest] };
      return;
    }
    yield* flagsIn(arg, rest);
  }
}

/** Takes a value from `rest`, if the flag needs one. */
function* flagsIn(arg: string, rest: string[]): Generator<Flag> {
  if (arg.startsWith("--")) yield longFlag(arg, rest);
  else if (arg.startsWith("-") && arg.length > 1) yield* shortFlags(arg, rest);
  else yield { name: "", typed: [arg] };
}

function ownOption(arg: string, rest: string[]): string[] | undefined {
  const [name = ""] = arg.split("=", 1);
  if (OWN_WITHOUT_VALUE.includes(arg)) return [arg];
  if (!OWN_WITH_VALUE.includes(name)) return /^-s./.test(arg) ? [arg] : undefined;
  if (name !== arg) return [arg];
  const value = rest.shift();
  if (value !== undefined && !value.startsWith("-")) return [arg, value];
  const hint = name === "-s" ? "; psql's own -s is --single-step" : "";
  throw mistake(`${name} needs a value${hint}`);
}

/** getopt takes any beginning of a name that is the beginning of one name only. */
function longFlag(arg: string, rest: string[]): Flag {
  const [, begun = "", , attached] = /^--([^=]*)(=(.*))?$/s.exec(arg) ?? [];
  const names = [...Object.keys(LONG), ...LONG_WITHOUT_VALUE];
  const found = names.includes(begun) ? [begun] : names.filter((name) => name.startsWith(begun));
  const [name = begun] = found.length === 1 ? found : [];
  const short = LONG[name];
  if (!short) return { name, typed: [arg] };
  if (attached !== undefined) return { name: short, value: attached, typed: [arg] };
  const value = rest.shift();
  return value === undefined
    ? { name: "", typed: [arg] }
    : { name: short, value, typed: [arg, value] };
}

/** `-Atf FILE`, `-fFILE`. */
function* shortFlags(arg: string, rest: string[]): Generator<Flag> {
  for (let at = 1; at < arg.length; at++) {
    const name = arg[at] as string;
    if (name === "s") {
      throw mistake(`${arg}: write "-s NAME" apart for the stack, or --single-step for psql's -s`);
    }
    if (!WITH_VALUE.includes(name)) {
      yield { name, typed: [`-${name}`] };
      continue;
    }
    const attached = arg.slice(at + 1);
    const value = attached === "" ? rest.shift() : attached;
    if (value === undefined) yield { name: "", typed: [`-${name}`] };
    else yield { name, value, typed: [`-${name}`, value] };
    return;
  }
}
