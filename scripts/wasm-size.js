// Usage: node scripts/wasm-size.js FILE LIMIT: prints FILE's sizes, fails when gzip needs more than LIMIT bytes.
import { readFileSync } from "node:fs";
import { brotliCompressSync, gzipSync } from "node:zlib";

const [file, limit] = process.argv.slice(2);
const bytes = readFileSync(file);
const gzip = gzipSync(bytes, { level: 9 }).length;
const brotli = brotliCompressSync(bytes).length;
const show = (size) => `${size.toLocaleString("en")} bytes`;

console.log(`  ${file}: ${show(bytes.length)}, gzip ${show(gzip)}, brotli ${show(brotli)}`);
if (gzip > Number(limit)) {
  console.error(`error: ${file} takes ${show(gzip)} with gzip, the limit is ${show(Number(limit))}.`);
  process.exit(1);
}
