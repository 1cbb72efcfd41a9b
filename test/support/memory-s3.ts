import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** The part of S3 that backups use, with the objects in memory: for properties with thousands of requests. */
export interface MemoryS3 {
  endpoint: string;
  /** By key. */
  objects: Map<string, Buffer>;
  /** All changes after this number are refused, as if the program was killed. @default - none */
  changesLeft: number;
  stop(): void;
}

export async function startMemoryS3(): Promise<MemoryS3> {
  const objects = new Map<string, Buffer>();
  const server = createServer(async (request, response) => {
    const body = await readBody(request);
    const { pathname, searchParams } = new URL(request.url ?? "", "http://localhost");
    const key = pathname.split("/").slice(2).map(decodeURIComponent).join("/");
    const isChange = request.method === "PUT";
    if (isChange && s3.changesLeft <= 0) return refuse(response, 403, "AccessDenied");
    if (isChange) s3.changesLeft--;
    if (searchParams.has("list-type")) return list(response, searchParams.get("prefix") ?? "");
    const source = request.headers["x-amz-copy-source"];
    const wanted =
      typeof source === "string" ? decodeURI(source).split("/").slice(1).join("/") : key;
    const content = isChange && source === undefined ? body : objects.get(wanted);
    if (!content) return refuse(response, 404, "NoSuchKey");
    if (isChange) objects.set(key, content);
    answer(response, request.method ?? "", content, source !== undefined);
  });
  const list = (response: ServerResponse, prefix: string) => {
    const keys = [...objects.keys()].filter((key) => key.startsWith(prefix)).sort();
    const contents = keys.map((key) => `<Contents><Key>${key}</Key></Contents>`).join("");
    response.end(`<ListBucketResult>${contents}</ListBucketResult>`);
  };
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const s3: MemoryS3 = {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    objects,
    changesLeft: Number.POSITIVE_INFINITY,
    stop: () => {
      server.closeAllConnections();
      server.close();
    },
  };
  return s3;
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function answer(response: ServerResponse, method: string, content: Buffer, isCopy: boolean): void {
  const sum = createHash("sha256").update(content).digest("base64");
  response.setHeader("x-amz-checksum-sha256", sum);
  response.setHeader("etag", `"${sum}"`);
  if (isCopy) response.end('<CopyObjectResult><ETag>"e"</ETag></CopyObjectResult>');
  else if (method === "PUT") response.end();
  else
    response
      .writeHead(200, { "content-length": content.length })
      .end(method === "HEAD" ? undefined : content);
}

function refuse(response: ServerResponse, status: number, code: string): void {
  response.writeHead(status).end(`<Error><Code>${code}</Code><Message>${code}</Message></Error>`);
}
