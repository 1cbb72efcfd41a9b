import * as pulumi from "@pulumi/pulumi";

export interface Recorded {
  type: string;
  name: string;
  inputs: Record<string, unknown>;
  /** Inputs whose change replaces the resource, as asked of the engine. */
  replaceOnChanges: string[];
}

type Properties = Record<string, unknown>;

/**
 * Runs components without an engine and records the resources they declare, in order. `answers` has, for each
 * type, the outputs that a resource adds to its inputs. An unexpected resource or call fails the test.
 */
export async function recordResources(
  answers: Record<string, (inputs: Properties, name: string) => Properties>,
): Promise<Recorded[]> {
  const recorded: Recorded[] = [];
  const replaceOnChanges = new Map<string, string[]>();
  await pulumi.runtime.setMocks(
    {
      newResource: ({ type, name, inputs }) => {
        const answer = answers[type];
        if (!answer) throw new Error(`unexpected resource of type ${type} (${name})`);
        const replacing = replaceOnChanges.get(`${type} ${name}`) ?? [];
        recorded.push({ type, name, inputs, replaceOnChanges: replacing });
        return { id: `${name}-id`, state: { ...inputs, ...answer(inputs, name) } };
      },
      call: ({ token }) => {
        throw new Error(`unexpected call of ${token}`);
      },
    },
    "pgstead",
    "test",
  );
  // The mocks get no options of a resource; the monitor does.
  const monitor = pulumi.runtime.getMonitor() as unknown as Monitor;
  const register = monitor.registerResource.bind(monitor);
  monitor.registerResource = (request, callback) => {
    const key = `${request.getType()} ${request.getName()}`;
    replaceOnChanges.set(key, request.getReplaceonchangesList());
    return register(request, callback);
  };
  return recorded;
}

interface Monitor {
  registerResource(request: Request, callback: unknown): unknown;
}

interface Request {
  getType(): string;
  getName(): string;
  getReplaceonchangesList(): string[];
}

/** Waits for the value of an output. A test does not wait for an `expect` inside an `apply`. */
export const valueIn = <T>(output: pulumi.Output<T>): Promise<T> =>
  new Promise((resolve) => {
    output.apply(resolve);
  });

export const urnOf = (resource: pulumi.Resource): Promise<string> => valueIn(resource.urn);

/** Reads a private field of the SDK. The tests in test/stack prove the effect. */
export const isProtected = (resource: pulumi.Resource) =>
  (resource as unknown as { __protect?: boolean }).__protect ?? false;
