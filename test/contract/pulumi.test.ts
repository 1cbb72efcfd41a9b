import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { inspect, sweep } from "./docker-cli.ts";
import { ContractTable } from "./table.ts";
import { type Program, TestStack } from "./test-stack.ts";

const TYPE = "pulumi";
const table = new ContractTable();
let testStack: TestStack;

beforeAll(async () => {
  sweep("pgp-");
  testStack = await TestStack.open("pgp");
});

afterAll(async () => {
  await testStack.close();
  table.print("Pulumi itself");
  sweep("pgp-");
});

describe("what Pulumi itself does", () => {
  test("--exclude-protected deletes what is not protected, and keeps the rest", async () => {
    const volumes =
      (protect: boolean): Program =>
      async () => {
        new docker.Volume("precious", { name: "pgp-precious" }, { protect });
        new docker.Volume("spare", { name: "pgp-spare" });
      };
    await testStack.up(volumes(true), "spare");
    const result = await testStack.destroyUnprotected("spare");
    const left = ["pgp-precious", "pgp-spare"].filter((name) => inspect("volume", name));
    table.add({
      type: TYPE,
      change: "destroy --exclude-protected",
      engine: result.op,
      real: `left: ${left.join(", ")}`,
    });
    expect([result.error, result.op, left]).toEqual(["", "delete", ["pgp-precious"]]);
    expect(testStack.state()).toContain("pgp-precious");
    await testStack.up(volumes(false), "spare");
  });

  test("a StackReference under another passphrase reads what is no secret, and leaves out the secrets", async () => {
    const env = { PULUMI_CONFIG_PASSPHRASE: "another" };
    const other = await TestStack.open("pgp-other", {}, { env, folder: testStack.folder });
    await other.up(async () => ({ plain: "visible", hidden: pulumi.secret("x") }), "none");
    const result = await testStack.up(async () => {
      const reference = new pulumi.StackReference("organization/pgp-other/contract");
      const hidden = reference.getOutput("hidden").apply((value) => JSON.stringify(value));
      return { plain: reference.getOutput("plain"), hidden };
    }, "none");
    table.add({
      type: TYPE,
      change: "StackReference, other passphrase",
      engine: "a warning",
      real: `plain: ${result.outputs.plain}, secret: ${result.outputs.hidden}`,
    });
    expect([result.error, result.outputs]).toEqual(["", { plain: "visible", hidden: "{}" }]);
    expect(result.text).toContain("eliding undecryptable secrets for stack reference");
  });
});
