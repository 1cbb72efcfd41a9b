import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { type EngineEvent, LocalWorkspace, type Stack } from "@pulumi/pulumi/automation/index.js";

/** The engine's operation on one resource, with the names that Pulumi displays. */
export interface Outcome {
  op: "create" | "same" | "update" | "replace" | "delete" | "failed" | "none";
  /** The old resource was deleted before the new one was created. */
  deletedFirst: boolean;
  /** Paths of the detailed diff. */
  paths: string[];
  error: string;
  /** The complete output, with diagnostics. */
  text: string;
  outputs: Record<string, unknown>;
  /** When Pulumi knew the resource's outputs, in milliseconds. */
  recordedAt: number | undefined;
}

interface OpenOptions {
  env?: Record<string, string>;
  folder?: string;
}

export type Program = () => Promise<Record<string, unknown> | void>;

/**
 * A temporary stack of an inline program, run by the real CLI. The program must be a function that registers
 * its resources at each call. A module that is imported twice would register nothing and delete the stack.
 */
export class TestStack {
  readonly #stack: Stack;
  readonly #project: string;
  readonly folder: string;

  private constructor(stack: Stack, project: string, folder: string) {
    this.#stack = stack;
    this.#project = project;
    this.folder = folder;
  }

  /** `env` is added to the environment; with `folder` of another stack, both have one backend. */
  static async open(
    project: string,
    config: Record<string, string> = {},
    { env, folder = mkdtempSync(join(tmpdir(), "pgstead-contract-")) }: OpenOptions = {},
  ): Promise<TestStack> {
    // The settings of a stack are in its working folder, so each has its own.
    const workDir = join(folder, `work-${project}`);
    mkdirSync(workDir);
    const stack = await LocalWorkspace.createOrSelectStack(
      { stackName: "contract", projectName: project, program: async () => {} },
      {
        workDir,
        envVars: {
          PULUMI_BACKEND_URL: `file://${folder}`,
          PULUMI_CONFIG_PASSPHRASE: "contract",
          PULUMI_SKIP_UPDATE_CHECK: "true",
          ...env,
        },
        projectSettings: { name: project, runtime: "nodejs", backend: { url: `file://${folder}` } },
      },
    );
    for (const [key, value] of Object.entries(config)) await stack.setConfig(key, { value });
    return new TestStack(stack, project, folder);
  }

  up(program: Program, watch: string): Promise<Outcome> {
    return this.#run(watch, async (options) => {
      this.#stack.workspace.program = program;
      const result = await this.#stack.up(options);
      return Object.fromEntries(
        Object.entries(result.outputs).map(([key, each]) => [key, each.value]),
      );
    });
  }

  preview(program: Program, watch: string): Promise<Outcome> {
    return this.#run(watch, async (options) => {
      this.#stack.workspace.program = program;
      await this.#stack.preview(options);
      return {};
    });
  }

  /** Like `options.refresh: always`: shows changes that somebody made by hand. */
  previewWithRefresh(program: Program, watch: string): Promise<Outcome> {
    return this.#run(watch, async (options) => {
      this.#stack.workspace.program = program;
      await this.#stack.preview({ ...options, refresh: true });
      return {};
    });
  }

  refresh(program: Program, watch: string): Promise<Outcome> {
    return this.#run(watch, async (options) => {
      this.#stack.workspace.program = program;
      await this.#stack.refresh(options);
      return {};
    });
  }

  destroyUnprotected(watch: string): Promise<Outcome> {
    return this.#run(watch, async (options) => {
      this.#stack.workspace.program = async () => {};
      await this.#stack.destroy({ ...options, excludeProtected: true });
      return {};
    });
  }

  /** The state's file in the backend. The export of the Automation API would decrypt secrets. */
  state(): string {
    return readFileSync(
      join(this.folder, ".pulumi/stacks", this.#project, "contract.json"),
      "utf8",
    );
  }

  async close(): Promise<void> {
    this.#stack.workspace.program = async () => {};
    await this.#stack.destroy();
    rmSync(this.folder, { recursive: true, force: true });
  }

  async #run(
    watch: string,
    act: (options: {
      onEvent: (event: EngineEvent) => void;
      onOutput: (text: string) => void;
    }) => Promise<Record<string, unknown>>,
  ): Promise<Outcome> {
    const ops: string[] = [];
    const paths = new Set<string>();
    let text = "";
    let error = "";
    let outputs: Record<string, unknown> = {};
    let recordedAt: number | undefined;
    const onEvent = (event: EngineEvent) => {
      const metadata = event.resourcePreEvent?.metadata;
      if (metadata?.urn.endsWith(`::${watch}`)) {
        ops.push(metadata.op);
        for (const path of Object.keys(metadata.detailedDiff ?? {})) paths.add(path);
      }
      const refreshed = event.resOutputsEvent?.metadata;
      if (!refreshed?.urn.endsWith(`::${watch}`)) return;
      recordedAt = Date.now();
      ops.push(refreshed.op);
    };
    try {
      outputs = await act({ onEvent, onOutput: (chunk) => (text += chunk) });
    } catch (failure) {
      error = failure instanceof Error ? failure.message : String(failure);
    }
    return {
      op: error ? "failed" : summarize(ops),
      deletedFirst:
        ops.indexOf("delete-replaced") >= 0 &&
        ops.indexOf("delete-replaced") < ops.indexOf("create-replacement"),
      paths: [...paths].sort(),
      error,
      text: text + error,
      outputs,
      recordedAt,
    };
  }
}

function summarize(ops: string[]): Outcome["op"] {
  if (ops.some((op) => op === "replace" || op === "create-replacement")) return "replace";
  for (const op of ["delete", "create", "update"] as const) if (ops.includes(op)) return op;
  return ops.length > 0 ? "same" : "none";
}
