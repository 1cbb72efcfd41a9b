import { expect, test } from "vitest";
import { describeFailure } from "../../docker/describe-failure.ts";
import { classifyExit } from "../../docker/run-docker.ts";

const LOOK = ["volume", "inspect", "dev-data"];
const answerOf = (args: string[], code: number | string | null, stderr: string) =>
  classifyExit(args, { code, stdout: "", stderr });

const NO_NAME =
  'error during connect: Get "http://none.invalid:2375/v1.50/volumes/dev-data": dial tcp: lookup none.invalid on 10.0.0.1:53: no such host';
const REFUSED =
  "Cannot connect to the Docker daemon at tcp://127.0.0.1:1. Is the docker daemon running?";

test.each([
  ["Error response from daemon: get dev-data: no such volume"],
  ["Error: No such volume: dev-data"],
  ["Error response from daemon: network dev-network not found"],
  ["Error response from daemon: No such container: dev-postgres"],
  ["Error: No such object: dev-postgres"],
  ["error: no such object: dev-postgres"],
  ["Error response from daemon: no such image: dev-postgres: No such image: dev-postgres:latest"],
])("%s is not found", (stderr) => {
  expect(answerOf(LOOK, 1, `${stderr}\n`).kind).toBe("not found");
});

test.each([
  [NO_NAME, undefined],
  [REFUSED, "nothing listens"],
  ["failed to connect to the docker API at unix:///run/docker.sock; check", "nothing listens"],
  [
    "error during connect: ... exit status 255, stderr=ssh: connect to host 10.0.0.1 port 22: Connection refused",
    "nothing listens",
  ],
  [
    "permission denied while trying to connect to the Docker daemon socket at unix:///x: dial unix /x: connect: permission denied",
    "no permission",
  ],
  ["error during connect: ... stderr=ada@db: Permission denied (publickey).", undefined],
  ['Failed to initialize: context "none": open /meta.json: no such file or directory', undefined],
  ["something that no client has said before", undefined],
  ["", undefined],
])("a look that ends with %j is unreachable (%s)", (stderr, cause) => {
  const { kind, cause: found } = answerOf(LOOK, 1, stderr);
  expect([kind, found]).toEqual(["unreachable", cause]);
});

test.each([
  ["Error response from daemon: remove dev-data: volume is in use - [3f2a]"],
  ["Error response from daemon: 404 page not found"],
  [
    'Error response from daemon: Get "https://registry/v2/": dial tcp: lookup registry: no such host',
  ],
])("%s is refused, for the engine has answered", (stderr) => {
  const answer = answerOf(LOOK, 1, stderr);
  expect(answer.kind).toBe("refused");
  expect(describeFailure(answer)).toBe(
    `the Docker engine refused: ${stderr.replace("Error response from daemon: ", "")}`,
  );
});

test("a program's own failure is told apart from the engine's", () => {
  const exec = ["exec", "dev-agent", "pgstead"];
  const run = ["run", "--rm", "image"];
  expect(answerOf(exec, 1, 'error: there is no backup "x"').kind).toBe("failed");
  expect(answerOf(exec, 3, "error: cannot connect to database app").kind).toBe("failed");
  expect(answerOf(exec, 1, "Error: no such volume in my list").kind).toBe("failed");
  expect(answerOf(exec, 1, NO_NAME).kind).toBe("unreachable");
  expect(answerOf(exec, 1, REFUSED).kind).toBe("unreachable");
  expect(answerOf(exec, 1, "Error response from daemon: No such container: x").kind).toBe(
    "not found",
  );
  expect(answerOf(exec, 1, "Error response from daemon: container x is not running").kind).toBe(
    "refused",
  );
  expect(answerOf(run, 4, "pgstead: refused: another server").kind).toBe("failed");
  expect(answerOf(run, 125, "docker: invalid reference format").kind).toBe("unreachable");
});

test("a client that is not installed, or that was stopped at its limit, is unreachable", () => {
  const missing = answerOf(LOOK, "ENOENT", "spawn docker ENOENT");
  expect(describeFailure(missing)).toContain("out of reach: there is no docker client here");
  const late = classifyExit(LOOK, { code: 1, stdout: "", stderr: NO_NAME, lateAfterMs: 10_000 });
  expect(late.kind).toBe("unreachable");
  expect(describeFailure(late, "tcp://db:2375")).toBe(
    "the Docker engine at tcp://db:2375 is out of reach: no answer within 10 s",
  );
});
