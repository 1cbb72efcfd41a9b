import { expect, test } from "vitest";
import { findMutations } from "../../tools/mutants/mutations.ts";

/** The source with each change, one at a time. */
const mutantsOf = (source: string) =>
  findMutations(source).map(({ start, end, text }) =>
    [source.slice(0, start), text, source.slice(end)].join(""),
  );

test.each([
  ["a === b;", ["((a) !== (b));"]],
  ["a ?? b;", ["a;"]],
  ["x = !a;", ["x = a;"]],
  ["if (a) b = c;", ["if (false) b = c;"]],
  ["throw a;", [";"]],
  ["await a();", [";"]],
  [
    "x = list.filter(isOld).some(isNew);",
    ["x = list.filter(isOld).every(isNew);", "x = list.some(isNew);"],
  ],
  ["x = a ? 1 : b;", ["x = false ? 1 : b;", "x = a ? (1 + 1) : b;"]],
])("%s is changed in each way that it allows, once", (source, changed) => {
  expect(mutantsOf(source)).toEqual(changed);
});

test("imports and types are left alone", () => {
  expect(mutantsOf('import { a } from "a";\ntype B = true | 1;\ninterface C { d: false }')).toEqual(
    [],
  );
});

test("a change says where it is and what it was", () => {
  expect(findMutations("x = 1;\ny = a && b;")).toContainEqual(
    expect.objectContaining({ line: 2, change: "a && b -> ((a) || (b))" }),
  );
});

test("a method of Object's prototype is no method to change", () => {
  expect(mutantsOf("x = a.toString() + a.constructor();")).toEqual([]);
});
