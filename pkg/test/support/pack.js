import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const packageFolder = fileURLToPath(new URL("../..", import.meta.url));

/** An empty folder that the test `t` leaves behind nothing of. */
export function emptyFolder(t) {
  const folder = mkdtempSync(join(tmpdir(), "scatterbrain-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A project with the packed package installed, and the given files. Gives its folder and what was packed. */
export function project(t, files = {}) {
  const folder = emptyFolder(t);
  const packed = npm(packageFolder, "pack", "--json", "--pack-destination", folder);
  const [{ filename, files: contents }] = JSON.parse(packed);
  write(folder, { "package.json": JSON.stringify({ name: "app", private: true, type: "module" }), ...files });
  npm(folder, "install", "--offline", "--no-audit", "--no-fund", `./${filename}`);
  return { folder, contents: contents.map(({ path }) => path) };
}

function npm(cwd, ...args) {
  return execFileSync("npm", args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

function write(folder, files) {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
}
