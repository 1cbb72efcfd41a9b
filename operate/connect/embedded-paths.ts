import { join } from "node:path";

/** What lies in the folder of an embedded server. */
export const paths = {
  data: (folder: string) => join(folder, "data"),
  /** Stands once `data` holds a whole cluster. */
  initialised: (folder: string) => join(folder, "initialised"),
  /** Held by the serving process. */
  lock: (folder: string) => join(folder, "server.lock"),
  /** What the serving process serves; gone after a clean stop. */
  running: (folder: string) => join(folder, "running.json"),
  log: (folder: string) => join(folder, "server.log"),
};
