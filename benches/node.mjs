// A real `harbor` process for a bench in the browser.
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import readline from "node:readline";

/** Starts `binary` on free ports; `close` ends it and removes its folder. */
export async function startNode(binary) {
  const data = await mkdtemp(path.join(os.tmpdir(), "harbor-bench-"));
  const [port, admin] = [await freePort(), await freePort()];
  const args = ["--serve", "--dev", "--bind", `127.0.0.1:${port}`, "--data-dir", data];
  args.push("-O", `observability.admin_bind=127.0.0.1:${admin}`, "--log", "warn");
  const child = spawn(binary, args, { stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise((resolve) => child.on("close", resolve));
  const ready = (async () => {
    for await (const line of readline.createInterface({ input: child.stdout })) {
      if (line.startsWith("Harbor is ready")) return;
    }
    throw new Error("the node ended before it was ready");
  })();
  await ready;
  return {
    url: `http://localhost:${port}/`,
    counters: async () => (await fetch(`http://127.0.0.1:${admin}/counters`)).json(),
    async close() {
      child.kill();
      await ended;
      await rm(data, { recursive: true, force: true });
    },
  };
}

async function freePort() {
  const server = net.createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}
