import type { TestProject } from "vitest/node";
import { startServer } from "./server.ts";

/** Starts one server for the whole run. Each test file creates databases of its own in it. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = await startServer();
  const { host, port, superuser, password, hasVector } = server;
  project.provide("server", { host, port, superuser, password, hasVector });
  return () => server.stop();
}

declare module "vitest" {
  interface ProvidedContext {
    server: {
      host: string;
      port: number;
      superuser: string;
      password: string;
      hasVector: boolean;
    };
  }
}
