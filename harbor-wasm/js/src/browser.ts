/// <reference lib="esnext.disposable" />
import { connectWith } from "./connect.js";
import { HarborError, told } from "./errors.js";
import loadWasm, * as glue from "./harbor-wasm.js";
import type { Harbor } from "./harbor.js";
import type { Glue } from "./raw.js";
import type { ConnectOptions, InitOptions } from "./types.js";

export * from "./public.js";

let loading: Promise<Glue> | undefined;

function load(options: InitOptions = {}): Promise<Glue> {
  if (typeof window === "undefined") return Promise.reject(new HarborError("unsupported"));
  loading ??= told(async () => {
    const from = options.wasmUrl ?? new URL("./harbor-wasm_bg.wasm", import.meta.url);
    await loadWasm({ module_or_path: from });
    return glue;
  }).catch((error) => {
    // The next call may try again, with a network.
    loading = undefined;
    throw error;
  });
  return loading;
}

/** Loads and compiles the .wasm. Once; connect() does it when nobody has. */
export async function init(options: InitOptions = {}): Promise<void> {
  await load(options);
}

/** Opens the identity of this namespace, and makes it the first time. Several tabs share it. */
export function connect(options: ConnectOptions = {}): Promise<Harbor> {
  return connectWith(load, options);
}

/** Removes an identity and everything it kept from this device, for good. */
export async function erase(name = "default"): Promise<void> {
  const { RawClient } = await load();
  await told(() => RawClient.erase(name));
}
