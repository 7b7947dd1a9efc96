import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { project } from "./support/pack.js";

const compiler = join(dirname(createRequire(import.meta.url).resolve("typescript/package.json")), "bin/tsc");
const usage = readFileSync(new URL("./support/usage.ts", import.meta.url), "utf8");

for (const [module, moduleResolution] of [
  ["nodenext", "nodenext"],
  ["esnext", "bundler"],
]) {
  test(`the whole interface type-checks, resolved as ${moduleResolution}`, (t) => {
    const { folder } = project(t, {
      "usage.ts": usage,
      "tsconfig.json": JSON.stringify({
        compilerOptions: {
          module,
          moduleResolution,
          target: "es2022",
          lib: ["es2022", "dom"],
          types: [],
          strict: true,
          exactOptionalPropertyTypes: true,
          noEmit: true,
        },
        files: ["usage.ts"],
      }),
    });
    try {
      execFileSync(process.execPath, [compiler, "-p", folder], { encoding: "utf8", stdio: "pipe" });
    } catch (error) {
      throw new Error(error.stdout || error.message);
    }
  });
}
