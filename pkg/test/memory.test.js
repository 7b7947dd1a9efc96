import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "scatterbrain-attention";
// The glue is no part of the interface: it is asked for the instances that the package computes with.
import instance from "../dist/wasm/scatterbrain.js";
import robustPcaInstance from "../dist/wasm-robust-pca/robust_pca.js";
import { attend, distance, numbers, tensors } from "./support/reference.js";

const call = { ...tensors({ heads: 4, queries: 2048, dim: 64 }), budget: 0.05 };
const turn = () => new Promise((resolve) => setTimeout(resolve, 10));
const bytes = async () => (await instance()).memory.buffer.byteLength;

test("memory stays in use while somebody may need it, and is handed back when nobody does", async () => {
  const [first, second] = [await load(), await load()];
  const fresh = await bytes();
  await first.attention(call);
  const used = await bytes();
  assert(used > fresh + 3 * call.q.byteLength);

  first.dispose();
  await turn();
  assert.equal(await bytes(), used);

  second.dispose();
  await turn();
  assert.equal(await bytes(), fresh);

  const third = await load();
  const small = { ...tensors({ queries: 8, dim: 4 }), method: "exact" };
  assert(distance((await third.attention(small)).output, attend(small).output) < 2e-6);
});

test("call after call takes no more memory", async () => {
  const sb = await load();
  await sb.attention(call);
  const used = await bytes();
  for (let i = 0; i < 8; i++) {
    await sb.attention({ ...call, seed: i });
    await assert.rejects(sb.attention({ ...call, q: new Float32Array(call.q.length).fill(Number.NaN) }));
    await assert.rejects(sb.attention({ ...call, signal: AbortSignal.timeout(1) }), { code: "Aborted" });
  }
  assert((await bytes()) < used * 1.25);
});

test("so does the memory of robust PCA, which only those hold that called it", async () => {
  const used = async () => (await robustPcaInstance()).memory.buffer.byteLength;
  const call = { matrix: numbers(300 * 300), rows: 300, columns: 300, maxIterations: 2 };
  const small = { matrix: numbers(4), rows: 2, columns: 2 };
  const [first, second, bystander] = [await load(), await load(), await load()];
  await first.robustPca(small);
  const fresh = await used();
  await second.robustPca(call);
  const most = await used();
  assert(most > fresh + 8 * 8 * call.matrix.length);
  for (let i = 0; i < 4; i++) {
    await second.robustPca(call);
    await assert.rejects(second.robustPca({ ...call, signal: AbortSignal.timeout(1) }), { code: "Aborted" });
  }
  assert((await used()) < most * 1.25);

  second.dispose();
  await turn();
  assert((await used()) >= most);
  first.dispose();
  await turn();
  assert((await used()) <= fresh);
  bystander.dispose();
});

test("memory that is freed serves calls of other sizes", async () => {
  const sb = await load();
  const sizes = [2048, 96, 1500, 700, 3000, 40];
  const round = async (seed) => {
    for (const queries of sizes) {
      await sb.attention({ ...tensors({ heads: 2, queries, dim: 32 }), budget: 0.1, seed });
      await sb.decompose({ ...tensors({ queries: queries >> 2, dim: 16 }), budget: 0.1, seed });
    }
  };
  await round(0);
  const used = await bytes();
  for (let seed = 1; seed < 6; seed++) await round(seed);
  assert((await bytes()) < used * 1.1, `${await bytes()} after ${used} bytes`);
});

test("what the memory cannot hold is refused, call after call, and the next one runs", async () => {
  const sb = await load();
  const small = { ...tensors({ queries: 64, dim: 8 }), method: "exact" };
  await sb.attention(small);
  // Leaves some 100 MiB of the 4 GiB, without touching the pages taken.
  const { memory } = await instance();
  memory.grow(65536 - 1600 - memory.buffer.byteLength / 65536);
  const large = { ...tensors({ queries: 7000, dim: 1 }), method: "exact" };
  for (let i = 0; i < 3; i++) {
    await assert.rejects(sb.decompose(large), { code: "OutOfMemory" });
    assert(distance((await sb.attention(small)).output, attend(small).output) < 2e-6);
  }
  const middling = { ...large, ...tensors({ queries: 2000, dim: 1 }) };
  assert.equal((await sb.decompose(middling)).exact.length, 2000 * 2000);
});
