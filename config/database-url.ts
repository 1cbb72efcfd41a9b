export interface DatabaseAddress {
  /** @default "postgresql" */
  scheme?: string | undefined;
  user: string;
  /** @default - none */
  password?: string | undefined;
  /** A name, an address, or the folder of a unix socket. */
  host: string;
  port: number;
  database: string;
  /** @default - the client's own */
  sslmode?: "require" | undefined;
}

/** The URL of a database. User and password may have any character; `pg` does not decode all of a database's name. */
export function createDatabaseUrl(address: DatabaseAddress): string {
  const { scheme = "postgresql", user, password, host, port, database, sslmode } = address;
  const login = [user, ...(password ? [password] : [])].map(encode).join(":");
  const isSocket = host.startsWith("/");
  const parameters = Object.entries({
    ...(isSocket && { host, port }),
    ...(sslmode && { sslmode }),
  }).map(([name, value]) => `${name}=${encode(String(value))}`);
  const query = parameters.length > 0 ? `?${parameters.join("&")}` : "";
  const server = isSocket ? "" : `${host}:${port}`;
  return `${scheme}://${login}@${server}/${encode(database)}${query}`;
}

/** The parts of a URL that `createDatabaseUrl` has made, for a server on the network. */
export function readDatabaseUrl(url: string) {
  // A URL of a scheme that the parser does not know has no host.
  const { hostname, port, pathname, username, password } = new URL(url.replace(/^[^:]+:/, "ws:"));
  return {
    host: hostname,
    port,
    database: decodeURIComponent(pathname.slice(1)),
    user: decodeURIComponent(username),
    password: decodeURIComponent(password),
  };
}

/** RFC 3986: `encodeURIComponent` leaves some reserved characters. */
const encode = (text: string) =>
  encodeURIComponent(text).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
