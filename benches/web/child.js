/** A contestant in a Node process of its own; started by hosts/node.js. */
import { readFile } from "node:fs/promises";
import { contestant } from "./contestant.js";

const HEAD = "../../data/heads/dinov2-astronaut-4097-l09h2.safetensors";

const bytes = async (path) => {
  const { buffer, byteOffset, byteLength } = await readFile(new URL(path, import.meta.url));
  return buffer.slice(byteOffset, byteOffset + byteLength);
};

const methods = contestant({
  wasm: { limit: () => bytes("limit/limit.wasm") },
  readHead: () => bytes(HEAD),
  memory: () => ({ now: process.memoryUsage().rss, most: process.resourceUsage().maxRSS * 1024 }),
});

process.on("message", async ({ method, args }) => {
  try {
    process.send({ result: (await methods[method](...args)) ?? null });
  } catch (error) {
    process.send({ error: { message: String(error?.message ?? error), code: error?.code } });
  }
});
