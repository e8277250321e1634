// Lets the page open without a network: its files are kept here, its data is in IndexedDB anyway.
//
// The page itself is asked for from the network first, so that nobody stays on an old version; the kept copy answers
// only when the network does not. Files with a hash in their name never change: the kept copy comes first.
"use strict";

const CACHE = "harbor-shell-1";
const PAGE = "/";
// Longer than this without an answer counts as no network, ms: a phone in a tunnel is not to show a blank page.
const PATIENCE_MS = 4000;
const HASHED = /-[0-9a-f]{8,}(_bg)?\.(js|wasm|css)$/;
/** Files whose names stay when their content changes. */
const PLAIN = ["/icon.svg", "/manifest.webmanifest"];

/** The files that a page names. */
const filesOf = (html) =>
  [...html.matchAll(/(?:src|href)=["']?(\/[^"'\s>]+)/g)].map((m) => m[1]).filter((path) => HASHED.test(path));

/** Keeps a fresh page together with all it needs, or not at all; forgets the files of older ones. */
const keep = async (response) => {
  const files = filesOf(await response.clone().text());
  if (files.length === 0) return;
  const cache = await caches.open(CACHE);
  const missing = [];
  for (const path of files) if (!(await cache.match(path, { ignoreVary: true }))) missing.push(path);
  await cache.addAll([...missing, ...PLAIN]);
  await cache.put(PAGE, response);
  for (const request of await cache.keys()) {
    const { pathname } = new URL(request.url);
    // Snippets that a script imports are kept as they are met; they go when their script does.
    if (![PAGE, ...PLAIN, ...files].includes(pathname) && !pathname.startsWith("/snippets/")) await cache.delete(request);
  }
};

const page = async (event) => {
  const kept = () => caches.match(PAGE);
  try {
    const network = fetch(event.request);
    const late = new Promise((resolve) => setTimeout(resolve, PATIENCE_MS)).then(kept);
    const response = await Promise.race([network, late.then((r) => r ?? network)]);
    event.waitUntil(network.then((r) => (r.ok && isPage(r) ? keep(r.clone()) : undefined)).catch(() => {}));
    return response;
  } catch {
    return (await kept()) ?? Response.error();
  }
};

const isPage = (response) => (response.headers.get("content-type") ?? "").startsWith("text/html");

/** A file that never changes. */
const hashed = async (event) => {
  const kept = await caches.match(event.request, { ignoreVary: true });
  if (kept) return kept;
  const response = await fetch(event.request);
  if (response.ok) {
    const copy = response.clone();
    event.waitUntil(caches.open(CACHE).then((cache) => cache.put(event.request, copy)));
  }
  return response;
};

self.addEventListener("install", (event) => {
  event.waitUntil(fetch(PAGE, { cache: "no-cache" }).then(keep).then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  const old = caches.keys().then((names) => Promise.all(names.filter((n) => n !== CACHE).map((n) => caches.delete(n))));
  event.waitUntil(old.then(() => self.clients.claim()));
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== self.location.origin) return;
  if (request.mode === "navigate") {
    if (url.pathname === PAGE) event.respondWith(page(event));
  } else if (HASHED.test(url.pathname) || url.pathname.startsWith("/snippets/")) {
    event.respondWith(hashed(event));
  } else if (PLAIN.includes(url.pathname)) {
    event.respondWith(fetch(request).catch(async () => (await caches.match(request)) ?? Response.error()));
  }
});
