// In Node and in server-side rendering: the same names, nothing loaded, nothing done.
/// <reference lib="esnext.disposable" />
import { HarborError } from "./errors.js";
import type { Harbor } from "./harbor.js";
import type { ConnectOptions, InitOptions } from "./types.js";

export * from "./public.js";

/** Rejects with "unsupported": Harbor runs in a browser. */
export function init(_options: InitOptions = {}): Promise<void> {
  return Promise.reject(new HarborError("unsupported"));
}

/** Rejects with "unsupported": Harbor runs in a browser. */
export function connect(_options: ConnectOptions = {}): Promise<Harbor> {
  return Promise.reject(new HarborError("unsupported"));
}

/** Rejects with "unsupported": Harbor runs in a browser. */
export function erase(_name = "default"): Promise<void> {
  return Promise.reject(new HarborError("unsupported"));
}
