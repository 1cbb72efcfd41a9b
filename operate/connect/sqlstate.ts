/** SQLSTATEs that the code branches on. */
export const UNDEFINED_TABLE = "42P01";
export const LOCK_NOT_AVAILABLE = "55P03";
export const NO_ACTIVE_TRANSACTION = "25P01";
export const DEADLOCK = "40P01";
export const SERIALIZATION_FAILURE = "40001";

const readCode = (error: unknown) => (error as { code?: string } | undefined)?.code ?? "";

export const isPermissionDenied = (error: unknown) => readCode(error) === "42501";

/** The transaction changed nothing, and a second try may succeed. */
export const isRetryable = (error: unknown) =>
  [LOCK_NOT_AVAILABLE, DEADLOCK, SERIALIZATION_FAILURE].includes(readCode(error));

/** The cause is the server, not the SQL: disk or memory full, too many connections, a restart. */
export const isServerTrouble = (error: unknown) => /^(53|57P|58|08|XX|25006)/.test(readCode(error));

/** The connection was lost. An error that the server sent in answer to a statement never matches. */
export const isConnectionLost = (error: unknown) => {
  const { code, message } = error as { code?: string; message: string };
  return (
    /^(57P0|08)/.test(code ?? "") ||
    ["ECONNRESET", "EPIPE", "ETIMEDOUT", "ECONNREFUSED"].includes(code ?? "") ||
    /Connection terminated|not queryable|Client was closed/.test(message)
  );
};
