import type { Changes } from "./fields.ts";
import type { Properties } from "./properties.ts";

export interface Context {
  urn: string;
  /** The resource's logical name. */
  name: string;
  config: Properties;
  /** Shows a message beside the resource during the operation only. */
  status: (message: string) => void;
  log: (severity: "info" | "warning" | "error", message: string) => void;
}

export interface Difference {
  changes: Changes;
  deleteBeforeReplace?: boolean;
}

/**
 * The operations of one resource type. All properties are plain, without marks, except `raw`: a provider that
 * accepts secrets returns `raw`, so that secrets stay secret.
 */
export interface Resource {
  check(context: Context, olds: Properties, news: Properties): Promise<Properties>;
  diff(context: Context, state: Properties, oldInputs: Properties, news: Properties): Difference;
  create(context: Context, inputs: Properties, preview: boolean, raw: Properties): Promise<Created>;
  update(
    context: Context,
    id: string,
    state: Properties,
    news: Properties,
    preview: boolean,
    raw: Properties,
  ): Promise<Properties>;
  read?(context: Context, id: string, state: Properties, inputs: Properties): Promise<Read | null>;
  delete(context: Context, id: string, state: Properties): Promise<void>;
}

export interface Created {
  id: string;
  state: Properties;
}

export interface Read {
  id: string;
  state: Properties;
  inputs: Properties;
}

export interface Provider {
  name: string;
  /** The version of the SDK. The engine refuses a plugin that reports another version. */
  version: string;
  acceptSecrets?: boolean;
  resources: Record<string, Resource>;
  invokes?: Record<string, (config: Properties, args: Properties) => Promise<Properties>>;
  configure?(config: Properties): Promise<void>;
}

/** A wrong input. It is reported with its property, before anything changes. */
export class CheckFailure extends Error {
  readonly property: string;

  constructor(property: string, message: string) {
    super(message);
    this.property = property;
  }
}

/** The resource exists, but not as declared. The engine records it together with the reason. */
export class PartialFailure extends Error {
  readonly id: string;
  readonly state: Properties;

  constructor(message: string, id: string, state: Properties) {
    super(message);
    this.id = id;
    this.state = state;
  }
}
