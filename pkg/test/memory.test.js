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
