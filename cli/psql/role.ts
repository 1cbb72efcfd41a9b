import { OWNER } from "../../operate/bootstrap/roles.ts";
import { mistake } from "../../operate/error.ts";

const ROLES = ["readonly", "app", "owner", "superuser"] as const;
export type PsqlRole = (typeof ROLES)[number];

/** The value of `--as`. */
export function readPsqlRole(given: string): PsqlRole {
  const role = ROLES.find((each) => each === given);
  if (role) return role;
  throw mistake(`--as takes ${ROLES.join(", ")}; got "${given}"`);
}

/** The variables with which psql logs in. Nobody logs in as the owner: `migrator` acts as it. */
export function loginAs(role: PsqlRole, superuser: string, { PGOPTIONS }: NodeJS.ProcessEnv) {
  if (role === "superuser") return { PGUSER: superuser };
  if (role !== "owner") return { PGUSER: role };
  const options = [PGOPTIONS, `-c role=${OWNER}`].filter(Boolean).join(" ");
  return { PGUSER: "migrator", PGOPTIONS: options };
}

/** psql's flags for a prompt that names role, database and stack: `readonly@app (prod)=> `. */
export function promptFlags(stack: string, role?: PsqlRole): string[] {
  const user = role === "owner" ? OWNER : "%n";
  const prompt = `${user}@%/ (${stack})%R%x%# `;
  return ["-v", `PROMPT1=${prompt}`, "-v", `PROMPT2=${prompt}`];
}
