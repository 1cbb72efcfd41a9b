import { expect, test } from "vitest";
import { CannotVerify } from "../../operate/backup/format/cannot-verify.ts";
import { blameServer } from "../../operate/backup/prove/blame-server.ts";
import { unreachable } from "../../operate/error.ts";

const failed = unreachable("pg_restore failed with exit code 1");

/** Lines of PostgreSQL 18, as a server without disk, memory or library wrote them. */
test.each([
  'ERROR:  could not extend file "base/16385/16390": No space left on device',
  'ERROR:  could not resize shared memory segment "/PostgreSQL.1" to 67128320 bytes: No space left on device',
  'ERROR:  could not resize shared memory segment "/PostgreSQL.1" to 67128320 bytes: Operation not permitted',
  "ERROR:  out of memory",
  "ERROR:  out of shared memory",
  "LOG:  client backend (PID 71) was terminated by signal 9: Killed",
  'ERROR:  pg_stat_statements must be loaded via "shared_preload_libraries"',
  'ERROR:  extension "postgis" is not available',
])("S15: the scratch server lacks something, so nothing is said about the backup: %s", (line) => {
  const log = `LOG:  starting\n${line}\nLOG:  shutting down`;
  for (const found of [blameServer(failed, log), blameServer(unreachable(line), "")]) {
    expect(found).toBeInstanceOf(CannotVerify);
    expect(found.message).toBe(`the scratch server could not restore it: ${line}`);
  }
});

test.each([
  'ERROR:  role "app" does not exist',
  'ERROR:  duplicate key value violates unique constraint "docs_pkey"',
  "pg_restore: error: could not read from input file: end of file",
  "LOG:  client backend (PID 71) was terminated by signal 11: Segmentation fault",
  'ERROR:  invalid input syntax for type vector: "["',
])("S15: the backup itself does not restore: %s", (line) => {
  expect(blameServer(failed, line)).toBe(failed);
  const error = unreachable(line);
  expect(blameServer(error, "LOG:  starting")).toBe(error);
});
