import { expect, test } from "vitest";
import { normalizePgvector } from "../../components/server/image.ts";
import { describePgvectorFaults, PGVECTOR_FAULTS } from "../../config/pgvector-faults.ts";
import { isOlderVersion } from "../../config/version-order.ts";

test("the default version of pgvector has every fix that its changelog names", () => {
  const { PGVECTOR_VERSION, PGVECTOR_URL } = normalizePgvector("image", "debian");
  const missing = PGVECTOR_FAULTS.filter(({ fixedIn }) =>
    isOlderVersion(PGVECTOR_VERSION as string, fixedIn),
  );
  expect(missing).toEqual([]);
  expect(PGVECTOR_URL).toContain(`v${PGVECTOR_VERSION}.tar.gz`);
});

test("a version is warned of with the faults that it still has, and no others", () => {
  expect(describePgvectorFaults("0.8.7")).toBeUndefined();
  expect(describePgvectorFaults("0.10.0")).toBeUndefined();
  expect(describePgvectorFaults("0.8.6")).toBe(
    "pgvector 0.8.6 has known faults: a buffer overflow in builds of IVFFlat indexes (fixed in 0.8.7); take 0.8.7 or newer (postgres.pgvector)",
  );
  const old = describePgvectorFaults("0.8.3");
  expect(old).toContain("(fixed in 0.8.4)");
  expect(old).not.toContain("(fixed in 0.8.3)");
  expect(old).toMatch(/take 0\.8\.7 or newer \(postgres\.pgvector\)$/);
});

test("the table is in the order of versions, because the last one is the advice", () => {
  const versions = PGVECTOR_FAULTS.map(({ fixedIn }) => fixedIn);
  for (const [at, version] of versions.slice(1).entries()) {
    expect(isOlderVersion(versions[at] as string, version)).toBe(true);
  }
});
