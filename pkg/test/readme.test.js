import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { packageFolder, project } from "./support/pack.js";

const readme = readFileSync(join(packageFolder, "README.md"), "utf8");

test("the usage in the README runs as it stands", (t) => {
  const [, usage] = readme.match(/```js\n([^`]*(?:`[^`]+`[^`]*)*)```/);
  const { folder } = project(t, { "usage.js": usage });
  const lines = execFileSync(process.execPath, ["usage.js"], { cwd: folder, encoding: "utf8" })
    .trim()
    .split("\n");
  assert.match(lines[0], /^131072 numbers by scatterbrain in [\d.]+ ms$/);
  assert.match(lines[1], /^0\.05 \{ sparse: [\d.]+, 'low-rank': [\d.]+ \}$/);
  assert.equal(lines.length, 3);
});

test("the usage in the project's README runs as it stands", (t) => {
  const [, usage] = readFileSync(join(packageFolder, "..", "README.md"), "utf8").match(/```js\n([^`]*)```/);
  const { folder } = project(t, { "usage.js": usage });
  const lines = execFileSync(process.execPath, ["usage.js"], { cwd: folder, encoding: "utf8" })
    .trim()
    .split("\n");
  assert.match(lines[0], /^524288 scatterbrain \d+ \d+$/);
  assert.match(lines[1], /^6\.\d+ \d+\.\d+$/);
  assert.equal(lines.length, 2);
});

test("the README names every code, option and kind that the types do", () => {
  const source = (name) => readFileSync(join(packageFolder, "src", name), "utf8");
  const codes = [...source("errors.ts").matchAll(/^ {2}\| "(\w+)"/gm)].map(([, code]) => code);
  const options = [...source("options.ts").matchAll(/^ {2}(\w+)\??:/gm)].map(([, name]) => name);
  const kinds = [...source("options.ts").matchAll(/^ {2}kind: "([\w-]+)"/gm)].map(([, kind]) => `"${kind}"`);
  assert(codes.length === 13 && options.length > 20 && kinds.length === 11);
  for (const name of [...codes, ...options, ...kinds]) {
    assert(readme.includes(name), `${name} is missing`);
  }
});
