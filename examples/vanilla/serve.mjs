// Serves this folder: `node serve.mjs [port]`. Any static server does, as long as .wasm is application/wasm.
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createServer } from "node:http";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = path.dirname(fileURLToPath(import.meta.url));
const types = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".wasm": "application/wasm" };

const server = createServer(async (request, response) => {
  const { pathname } = new URL(request.url, "http://localhost");
  const file = path.join(root, path.normalize(pathname.endsWith("/") ? `${pathname}index.html` : pathname));
  const type = types[path.extname(file)];
  const found = file.startsWith(root) && type && (await stat(file).catch(() => null))?.isFile();
  if (!found) {
    response.writeHead(404).end();
    return;
  }
  response.writeHead(200, { "content-type": type, "cache-control": "no-cache" });
  createReadStream(file).pipe(response);
});

server.listen(Number(process.argv[2] ?? 8090), "localhost", () => {
  console.log(`http://localhost:${server.address().port}/`);
});
