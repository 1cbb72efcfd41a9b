import type { Field } from "../base/fields.ts";
import { objects, type Properties, text, type Value } from "../base/properties.ts";

/** The program has labels as a set of pairs, the engine as a map. Any change replaces the resource. */
export const labelsField: Field = {
  kind: "set",
  replace: true,
  item: { label: { required: true }, value: { required: true } },
};

export function toLabelMap(labels: Value | undefined): Record<string, string> {
  return Object.fromEntries(objects(labels).map((each) => [text(each.label), text(each.value)]));
}

export function fromLabelMap(labels: Record<string, string> | null | undefined): Properties[] {
  return Object.entries(labels ?? {}).map(([label, value]) => ({ label, value }));
}
