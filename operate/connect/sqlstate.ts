/** SQLSTATEs that decide what happens next. */
export const UNDEFINED_TABLE = "42P01";
export const LOCK_NOT_AVAILABLE = "55P03";
export const NO_ACTIVE_TRANSACTION = "25P01";
export const DEADLOCK = "40P01";
export const SERIALIZATION_FAILURE = "40001";

const readCode = (error: unknown) => (error as { code?: string }).code ?? "";

export const isPermissionDenied = (error: unknown) => readCode(error) === "42501";

/** Another try of the whole transaction may succeed, and nothing was changed by this one. */
export const isRetryable = (error: unknown) =>
  [LOCK_NOT_AVAILABLE, DEADLOCK, SERIALIZATION_FAILURE].includes(readCode(error));

/** Not the SQL's fault: disk or memory full, too many connections, server stopping or restarted. */
export const isServerTrouble = (error: unknown) => /^(53|57P|58|08|XX|25006)/.test(readCode(error));

/** The connection is gone: what a server's error never looks like. */
export const isConnectionLost = (error: unknown) => {
  const { code, message } = error as { code?: string; message: string };
  return (
    /^(57P0|08)/.test(code ?? "") ||
    ["ECONNRESET", "EPIPE", "ETIMEDOUT", "ECONNREFUSED"].includes(code ?? "") ||
    /Connection terminated|not queryable|Client was closed/.test(message)
  );
};
