import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import pg from "pg";
import type { Settings } from "../../operate/settings.ts";
import { readSettings } from "../../operate/settings.ts";
import type { TestServer } from "../support/server.ts";
import type { Project } from "./projects.ts";

/** A fresh database, and the settings with which the verbs reach it. */
export async function freshDatabase(
  server: TestServer,
  name: string,
  work: string,
  project: Project,
): Promise<{ settings: Settings; file: string }> {
  const { host, port, superuser: user, password } = server;
  const client = new pg.Client({ host, port, user, password, database: "postgres" });
  await client.connect();
  await client.query(`drop database if exists ${name} with (force)`);
  await client.query(`create database ${name}`);
  await client.end();
  if (project.before) await prepare({ host, port, user, password, database: name }, project.before);
  const passwordFile = join(work, "password");
  writeFileSync(passwordFile, password);
  const file = join(work, `${name}.json`);
  const { folder, files } = project;
  writeFileSync(
    file,
    JSON.stringify({
      ...{ stack: name, engine: "docker" },
      database: { host, port, name, user, passwordFile },
      migrations: { folder: resolve(work, folder), ...(files && { files }) },
    }),
  );
  return { settings: readSettings(file), file };
}

async function prepare(config: pg.ClientConfig, sql: string): Promise<void> {
  const client = new pg.Client(config);
  await client.connect();
  await client.query(sql);
  await client.end();
}
