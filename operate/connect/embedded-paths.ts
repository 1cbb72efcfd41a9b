import { join } from "node:path";

/** The files in the folder of an embedded server. */
export const paths = {
  data: (folder: string) => join(folder, "data"),
  /** Written after `data` holds a complete cluster. */
  initialised: (folder: string) => join(folder, "initialised"),
  /** The server process holds this lock. */
  lock: (folder: string) => join(folder, "server.lock"),
  /** Pid and port of the server process. A clean stop removes the file. */
  running: (folder: string) => join(folder, "running.json"),
  log: (folder: string) => join(folder, "server.log"),
};
