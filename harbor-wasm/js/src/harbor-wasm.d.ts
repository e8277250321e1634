// Types of dist/harbor-wasm.js, which wasm-bindgen writes.
import type { Glue } from "./raw.js";
export const RawClient: Glue["RawClient"];
export default function init(options: { module_or_path: unknown }): Promise<unknown>;
