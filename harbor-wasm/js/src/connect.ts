import { abortable, told } from "./errors.js";
import { Harbor } from "./harbor.js";
import type { Glue, RawClient } from "./raw.js";
import type { ConnectOptions } from "./types.js";

/** Opens the identity of this namespace, and makes it the first time. */
export async function connectWith(load: () => Promise<Glue>, options: ConnectOptions): Promise<Harbor> {
  const opening = open(load, options);
  try {
    return await abortable(opening, options.signal);
  } catch (error) {
    // Aborted while it opened: what opens later has no owner.
    opening.then((harbor) => harbor.close(), () => {});
    throw error;
  }
}

async function open(load: () => Promise<Glue>, options: ConnectOptions): Promise<Harbor> {
  const glue = await load();
  const nodes = options.node === undefined ? [] : [options.node].flat().map(linkUrl);
  const raw = await told(() =>
    glue.RawClient.open({
      nodes,
      namespace: options.name ?? "default",
      direct: options.direct ?? true,
      iceServers: (options.iceServers ?? []).flatMap((server) => server.urls),
      ...(options.stampWorker ? { stampWorker: options.stampWorker } : {}),
    }),
  );
  try {
    const profile = await named(raw, options.displayName);
    const status = await told(() => raw.status());
    return new Harbor(raw, profile, status, inviteBase(options.inviteBase));
  } catch (error) {
    raw.close();
    throw error;
  }
}

async function named(raw: RawClient, displayName: string | undefined) {
  const known = await told(() => raw.profile());
  if (known && (displayName === undefined || known.name === displayName)) return known;
  return told(() => raw.setName(displayName ?? "Guest"));
}

/** `https://host/` means the node's WebSocket there. */
function linkUrl(node: string | URL): string {
  const url = new URL(node, globalThis.location?.href);
  url.protocol = url.protocol.replace(/^http/, "ws");
  if (url.pathname === "/") url.pathname = "/link";
  url.hash = "";
  return url.href;
}

function inviteBase(base: string | URL | undefined): string {
  const url = new URL(base ?? globalThis.location.href, globalThis.location?.href);
  url.hash = "";
  return url.href;
}
