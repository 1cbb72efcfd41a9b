import { expect, test } from "vitest";
import { createScramVerifier, matchesVerifier } from "../../operate/bootstrap/scram.ts";

test("the verifier is the one of RFC 7677's example", () => {
  const salt = Buffer.from("W22ZaJ0SNY7soEsUEjb6gQ==", "base64");
  expect(createScramVerifier("pencil", salt, 4096)).toBe(
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
  );
});

test("a verifier fits its own password and no other", () => {
  const verifier = createScramVerifier("one");
  expect(matchesVerifier("one", verifier)).toBe(true);
  expect(matchesVerifier("two", verifier)).toBe(false);
  expect(matchesVerifier("one", null)).toBe(false);
  expect(matchesVerifier("one", "md5c4ca4238a0b923820dcc509a6f75849b")).toBe(false);
});
