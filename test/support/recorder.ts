import * as pulumi from "@pulumi/pulumi";

export interface Recorded {
  type: string;
  name: string;
  inputs: Record<string, unknown>;
}

/** Answers for the resources a test names, throws on every other, and keeps the order. */
export async function recordResources(
  answers: Record<string, (inputs: Record<string, unknown>) => Record<string, unknown>>,
): Promise<Recorded[]> {
  const recorded: Recorded[] = [];
  await pulumi.runtime.setMocks(
    {
      newResource: ({ type, name, inputs }) => {
        recorded.push({ type, name, inputs });
        const answer = answers[type];
        if (!answer) throw new Error(`no resource of type ${type} was expected (${name})`);
        return { id: `${name}-id`, state: { ...inputs, ...answer(inputs) } };
      },
      call: ({ token }) => {
        throw new Error(`no call of ${token} was expected`);
      },
    },
    "pgstead",
    "local",
    false,
  );
  // The mocks know no resource hooks; registering one is enough, for nothing runs here.
  const monitor = pulumi.runtime.getMonitor() as unknown as Record<string, unknown>;
  monitor.registerResourceHook = (_request: unknown, done: (error: null, empty: object) => void) =>
    done(null, {});
  return recorded;
}

/** The value of an output; an `expect` inside an `apply` would not be part of the test. */
export const valueIn = <T>(output: pulumi.Output<T>): Promise<T> =>
  new Promise((resolve) => output.apply(resolve));

export const urnOf = (resource: pulumi.Resource): Promise<string> => valueIn(resource.urn);
