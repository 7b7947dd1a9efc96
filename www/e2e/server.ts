import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { preview } from "vite";
import type { TestProject } from "vitest/node";

declare module "vitest" {
  interface ProvidedContext {
    /** Where the built page is served, ending in a slash. */
    page: string;
  }
}

const www = fileURLToPath(new URL("..", import.meta.url));

/** Serves the built page for all tests, on a port that is free. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  if (!existsSync(`${www}/dist/index.html`)) throw new Error("Build the page first: npm run build -w www");
  const server = await preview({
    root: www,
    configFile: false,
    base: "./",
    logLevel: "error",
    preview: { host: "127.0.0.1", port: 0 },
  });
  const address = server.httpServer.address();
  if (address === null || typeof address === "string") throw new Error("The server has no port");
  project.provide("page", `http://127.0.0.1:${address.port}/`);
  return () => server.close();
}
