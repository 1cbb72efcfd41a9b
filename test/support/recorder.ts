import * as pulumi from "@pulumi/pulumi";

export interface Recorded {
  type: string;
  name: string;
  inputs: Record<string, unknown>;
}

type Properties = Record<string, unknown>;

/**
 * Runs components without an engine and keeps what they declare, in order. `answers` holds what a
 * resource adds to its inputs, by type; a resource or call nobody expected fails the test.
 */
export async function recordResources(
  answers: Record<string, (inputs: Properties, name: string) => Properties>,
): Promise<Recorded[]> {
  const recorded: Recorded[] = [];
  await pulumi.runtime.setMocks(
    {
      newResource: ({ type, name, inputs }) => {
        const answer = answers[type];
        if (!answer) throw new Error(`nobody expected a resource of type ${type} (${name})`);
        recorded.push({ type, name, inputs });
        return { id: `${name}-id`, state: { ...inputs, ...answer(inputs, name) } };
      },
      call: ({ token }) => {
        throw new Error(`nobody expected a call of ${token}`);
      },
    },
    "pgstead",
    "test",
  );
  return recorded;
}

/** The value of an output; an `expect` inside an `apply` would not be part of the test. */
export const valueIn = <T>(output: pulumi.Output<T>): Promise<T> =>
  new Promise((resolve) => {
    output.apply(resolve);
  });

export const urnOf = (resource: pulumi.Resource): Promise<string> => valueIn(resource.urn);

/** A private field, so the read stays in this one place; the stack's tests prove the effect. */
export const isProtected = (resource: pulumi.Resource) =>
  (resource as unknown as { __protect?: boolean }).__protect ?? false;
