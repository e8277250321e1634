// Serves the bench's page and the package to Chromium.
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createServer } from "node:http";
import path from "node:path";

const TYPES = { ".html": "text/html", ".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm" };

/** @param {Record<string, string>} roots folder for every first path segment, "" for the rest */
export async function serve(roots) {
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url, "http://localhost");
    const [, first] = pathname.split("/");
    const [root, rest] = first && roots[first] ? [roots[first], pathname.slice(first.length + 1)] : [roots[""], pathname];
    const file = path.join(root, path.normalize(rest === "/" ? "/index.html" : rest));
    const type = TYPES[path.extname(file)];
    const found = file.startsWith(root) && type && (await stat(file).catch(() => null))?.isFile();
    if (!found) return response.writeHead(404).end();
    response.writeHead(200, { "content-type": type });
    createReadStream(file).pipe(response);
  });
  await new Promise((resolve) => server.listen(0, "localhost", resolve));
  return { url: `http://localhost:${server.address().port}/`, close: () => server.close() };
}
