// Builds the package and installs its tarball into examples/vanilla, as a stranger would.
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

export const crate = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..", "..");
export const repository = path.dirname(crate);
export const example = path.join(repository, "examples", "vanilla");
export const installed = path.join(example, "node_modules", "harbor-wasm");

/** Once per run of the tests: `npm test` calls this first. */
export function installPackage() {
  const run = (command, args, cwd) => execFileSync(command, args, { cwd, stdio: ["ignore", "inherit", "inherit"] });
  // HARBOR_PACKAGE=built tests what is there, for instance the optimised one.
  if (process.env.HARBOR_PACKAGE !== "built") run(process.execPath, ["build.mjs", "--debug", "--pack"], crate);
  // npm keeps a tarball of the same version: the new one has to be seen.
  run("npm", ["install", "--no-audit", "--no-fund", "--silent", "--force", "--no-save", `${crate}/pkg/harbor-wasm-0.1.0.tgz`], example);
  if (!existsSync(installed)) throw new Error("the package was not installed");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) installPackage();
