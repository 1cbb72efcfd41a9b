import * as pulumi from "@pulumi/pulumi";
import { getMonitor } from "@pulumi/pulumi/runtime/settings.js";

export interface Recorded {
  type: string;
  name: string;
  inputs: Record<string, unknown>;
}

/**
 * Runs components without an engine and lists what they declare. Await it before the component's
 * module is imported; a call nobody expected fails the test.
 */
export async function recordResources(
  outputsOf: Record<string, (name: string) => Record<string, unknown>>,
): Promise<Recorded[]> {
  const recorded: Recorded[] = [];
  await pulumi.runtime.setMocks(
    {
      newResource: ({ type, name, inputs }) => {
        const outputs = outputsOf[type];
        if (!outputs) throw new Error(`nobody expected a resource of type ${type} (${name})`);
        recorded.push({ type, name, inputs });
        return { id: `${name}-id`, state: { ...inputs, ...outputs(name) } };
      },
      call: ({ token }) => {
        throw new Error(`nobody expected a call of ${token}`);
      },
    },
    "pgstead",
    "test",
  );
  takeHooks();
  return recorded;
}

/** The SDK's mocks know no hooks, and a component that has one would wait for ever. */
function takeHooks(): void {
  const monitor = getMonitor() as unknown as Record<string, unknown>;
  const take = (_request: unknown, done: (error: null) => void) => done(null);
  Object.assign(monitor, { registerResourceHook: take, registerErrorHook: take });
}

export const resolved = <T>(output: pulumi.Output<T>): Promise<T> =>
  new Promise((resolve) => {
    output.apply(resolve);
  });

/** A private field, so the read stays in this one place; the stack's tests prove the effect. */
export const isProtected = (resource: pulumi.Resource) =>
  (resource as unknown as { __protect?: boolean }).__protect ?? false;
