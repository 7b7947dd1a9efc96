import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "scatterbrain-attention";
// The glue is no part of the interface: it is asked for the instance that the package computes with.
import instance from "../dist/wasm/scatterbrain.js";
import { attend, distance, tensors } from "./support/reference.js";

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
