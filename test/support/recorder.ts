import * as pulumi from "@pulumi/pulumi";

export interface Recorded {
  type: string;
  name: string;
  inputs: Record<string, unknown>;
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
  await pulumi.runtime.setMocks(
    {
      newResource: ({ type, name, inputs }) => {
        const answer = answers[type];
        if (!answer) throw new Error(`unexpected resource of type ${type} (${name})`);
        recorded.push({ type, name, inputs });
        return { id: `${name}-id`, state: { ...inputs, ...answer(inputs, name) } };
      },
      call: ({ token }) => {
        throw new Error(`unexpected call of ${token}`);
      },
    },
    "pgstead",
    "test",
  );
  return recorded;
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
