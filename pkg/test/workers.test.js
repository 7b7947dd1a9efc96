import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { after, before, test } from "node:test";
import { load } from "scatterbrain-attention";
import { packageFolder } from "./support/pack.js";
import { attend, distance, tensors } from "./support/reference.js";

/** Workers of this process that live. */
const alive = new Set();
process.on("worker", (worker) => {
  alive.add(worker);
  worker.on("exit", () => alive.delete(worker));
});

let alone;
let shared;
before(async () => {
  alone = await load();
  shared = await load({ workers: 3 });
});
after(() => shared.dispose());

const long = { ...tensors({ heads: 4, queries: 2048, dim: 64 }), method: "exact" };
const short = { ...tensors({ queries: 64, dim: 8 }), method: "exact" };

const shapes = {
  "one head": { queries: 300, dim: 8 },
  "five heads": { heads: 5, queries: 150, keys: 200, dim: 8, valueDim: 5 },
  "two sequences of grouped heads": { batch: 2, heads: 6, kvHeads: 2, queries: 70, dim: 8 },
  "more heads than workers": { batch: 3, heads: 11, queries: 9, dim: 4 },
};
const causalMethods = {
  default: {},
  exact: { method: "exact" },
  sparse: { method: "sparse" },
  window: { support: { kind: "window", size: 7 } },
  "top-k": { support: { kind: "top-k" } },
  lsh: { support: { kind: "lsh" } },
  landmarks: { features: { kind: "landmarks" } },
  favor: { support: { kind: "window" }, features: { kind: "favor" } },
  elu: { features: { kind: "elu" } },
  taylor: { support: { kind: "lsh", rounds: 1 }, features: { kind: "taylor", order: 2 } },
  vitality: { method: "vitality" },
};
const methods = {
  ...causalMethods,
  smyrf: { support: { kind: "smyrf" }, features: { kind: "favor", hyperbolic: true } },
  centred: { features: { kind: "favor", center: true, balance: true } },
  optimal: { features: { kind: "optimal" } },
};

function explicit({ batch = 1, heads = 1, queries }) {
  const indptr = Uint32Array.from({ length: batch * heads * queries + 1 }, (_, i) => 2 * i);
  const indices = Uint32Array.from({ length: indptr.at(-1) }, (_, i) => i % 9);
  return { support: { kind: "explicit", indptr, indices } };
}

for (const [name, shape] of Object.entries(shapes)) {
  test(`workers give the same bits as the thread that calls: ${name}`, async () => {
    for (const causal of [false, true]) {
      const all = { ...(causal ? causalMethods : methods), explicit: explicit(shape) };
      for (const [method, options] of Object.entries(all)) {
        const call = { ...tensors(shape), budget: 0.3, seed: 3, causal, ...options };
        const one = await alone.attention(call);
        const many = await shared.attention(call);
        assert.deepEqual(many.output, one.output, `${method}, causal: ${causal}`);
        const told = ({ backend, instructionSet, method, supportEntries, features }) => {
          return { backend, instructionSet, method, supportEntries, features };
        };
        assert.deepEqual(told(many.stats), told(one.stats), `${method}, causal: ${causal}`);
        assert.deepEqual(Object.keys(many), Object.keys(one));
        assert.deepEqual(Object.keys(many.stats).sort(), Object.keys(one.stats).sort());
      }
    }
  });
}

test("masked sequences and far more workers than work", async () => {
  const many = await load({ workers: 17 });
  const call = { ...tensors({ batch: 3, heads: 2, queries: 130, dim: 8 }), keyLengths: [130, 0, 7] };
  for (const options of [{ method: "exact" }, { method: "exact", causal: true }, { budget: 0.2 }]) {
    const wanted = await alone.attention({ ...call, ...options });
    assert.deepEqual((await many.attention({ ...call, ...options })).output, wanted.output);
  }
  many.dispose();
});

test("the work is shared, and what was spent is added up", async () => {
  const { stats: one } = await alone.attention(long);
  const { stats } = await shared.attention(long);
  assert.equal(one.workers, 1);
  assert.equal(stats.workers, 3);
  assert(stats.peakBytes > one.peakBytes && stats.peakBytes < 4 * one.peakBytes);
  assert(stats.phases.tiles > 0 && stats.milliseconds > 0);
  // The rows of one head are shared, unless each needs those before it.
  for (const [causal, workers] of [
    [false, 3],
    [true, 1],
  ]) {
    const head = await shared.attention({ ...tensors({ queries: 200, dim: 8 }), budget: 0.2, causal });
    assert.equal(head.stats.workers, workers);
  }
});

test("what is not shared works beside it", async () => {
  const call = { ...tensors({ queries: 60, dim: 8 }), budget: 0.3 };
  const { q, k, shape } = call;
  const sweep = { ...call, temperatures: [0.5, 2], methods: ["exact", "scatterbrain"] };
  const results = (sb) => Promise.all([sb.decompose(call), sb.sweep(sweep), sb.robustPca({ q, k, shape })]);
  const [one, many] = [await results(alone), await results(shared)];
  assert.deepEqual(many[0].approximation, one[0].approximation);
  assert.deepEqual(many[1], one[1]);
  assert.deepEqual(many[2].sparse, one[2].sparse);
});

test("progress adds up: it never falls and ends with one 1", async () => {
  const heard = [];
  await shared.attention({ ...long, onProgress: (fraction) => heard.push(fraction) });
  assert(heard.length > 3, `${heard}`);
  assert(heard.every((fraction, i) => fraction >= (heard[i - 1] ?? 0)));
  assert.equal(heard.indexOf(1), heard.length - 1);
});

test("one signal cancels all parts", async () => {
  const reason = new Error("changed my mind");
  const aborted = shared.attention({ ...long, signal: AbortSignal.abort(reason), onProgress: assert.fail });
  await assert.rejects(aborted, { code: "Aborted", cause: reason });
  let reports = 0;
  const controller = new AbortController();
  const onProgress = () => {
    reports++;
    controller.abort(reason);
  };
  await assert.rejects(shared.attention({ ...long, signal: controller.signal, onProgress }), {
    name: "ScatterbrainError",
    code: "Aborted",
    cause: reason,
  });
  const late = new AbortController();
  const pending = shared.attention({ ...long, signal: late.signal });
  late.abort();
  await assert.rejects(pending, { code: "Aborted" });
  assert.equal(reports, 1);
  assert(distance((await shared.attention(short)).output, attend(short).output) < 2e-6);
});

test("what onProgress throws, the call rejects with", async () => {
  const error = new RangeError("no room for a bar");
  const onProgress = () => {
    throw error;
  };
  await assert.rejects(shared.attention({ ...long, onProgress }), (thrown) => thrown === error);
});

test("tensors and options are read when the call starts", async () => {
  const wanted = explicit({ queries: 200 });
  const given = explicit({ queries: 200 });
  const call = tensors({ queries: 200, dim: 8 });
  const { output } = await alone.attention({ ...call, ...wanted });
  const shape = { ...call.shape };
  const mine = { ...call, ...given, shape, q: call.q.slice(), k: call.k.slice(), v: call.v.slice() };
  const pending = shared.attention(mine);
  for (const tensor of [mine.q, mine.k, mine.v]) tensor.fill(Number.NaN);
  given.support.indices.fill(1e6);
  shape.queries = 3;
  assert.deepEqual((await pending).output, output);
  assert.equal(mine.q.length, call.q.length);
});

test("options behind a proxy, as frameworks have them", async () => {
  const wrap = (object) => new Proxy(object, {});
  const call = tensors({ heads: 3, queries: 20, dim: 8 });
  const plain = { support: { kind: "window", size: 3 }, keyLengths: [15] };
  const wrapped = { shape: wrap(call.shape), support: wrap(plain.support), keyLengths: wrap([15]) };
  const { output } = await alone.attention({ ...call, ...plain });
  assert.deepEqual((await shared.attention({ ...call, ...wrapped })).output, output);
});

test("calls in flight together do not disturb each other", async () => {
  const calls = Array.from({ length: 7 }, (_, i) => ({
    ...tensors({ heads: 1 + (i % 3), queries: 100 + 40 * i, dim: 16 }, i),
    ...(i % 2 ? { budget: 0.2, seed: i } : { method: "exact" }),
  }));
  const together = await Promise.all(calls.map((call) => shared.attention(call)));
  for (const [i, call] of calls.entries()) {
    assert.deepEqual(together[i].output, (await alone.attention(call)).output);
  }
});

test("faults are told as they are without workers", async () => {
  const good = tensors({ heads: 4, queries: 64, dim: 8 });
  const q = good.q.slice();
  q[1900] = Number.NaN;
  const both = { q, k: good.k.map((x, i) => (i === 100 ? Number.POSITIVE_INFINITY : x)) };
  const faults = [
    { q },
    { q: good.q.slice(1) },
    { v: new Float32Array(0) },
    { k: [1] },
    { shape: { ...good.shape, dim: 0 } },
    { temperature: -1 },
    { temprature: 1 },
    { support: { kind: "smyrf" }, causal: true },
    { keyLengths: () => {} },
    {
      support: {
        kind: "window",
        get size() {
          throw new Error("no");
        },
      },
    },
  ];
  for (const fault of faults) {
    const wanted = await alone.attention({ ...good, ...fault }).catch((error) => error);
    await assert.rejects(shared.attention({ ...good, ...fault }), (error) => {
      assert.deepEqual([error.name, error.code, error.message], [wanted.name, wanted.code, wanted.message]);
      return true;
    });
  }
  // Faults in two parts: the same one is told each time.
  for (let i = 0; i < 5; i++) {
    await assert.rejects(shared.attention({ ...good, ...both }), { code: "NonFinite", message: /k\[100\]/ });
  }
  assert(distance((await shared.attention(short)).output, attend(short).output) < 2e-6);
});

test("a worker that dies fails the calls that it worked for, and another one takes its place", async () => {
  const before = new Set(alive);
  const sb = await load({ workers: 2 });
  const mine = [...alive].filter((worker) => !before.has(worker));
  assert.equal(mine.length, 2);
  const pending = sb.attention(long);
  mine[1].terminate();
  await assert.rejects(pending, { name: "ScatterbrainError", code: "Internal", message: /worker is lost/ });
  const { output, stats } = await sb.attention(long);
  assert.equal(stats.workers, 2);
  assert.deepEqual(output, (await alone.attention(long)).output);
  assert(!alive.has(mine[1]) && alive.has(mine[0]));
  sb.dispose();
});

test("disposing ends the workers, the calls in flight and later ones", async () => {
  const before = new Set(alive);
  const sb = await load({ workers: 2 });
  const mine = [...alive].filter((worker) => !before.has(worker));
  assert.equal(mine.length, 2);
  const pending = sb.attention(long);
  sb.dispose();
  await assert.rejects(pending, { code: "Disposed" });
  await assert.rejects(sb.attention(short), { code: "Disposed" });
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert(!mine.some((worker) => alive.has(worker)));
});

test("a process ends by itself, not before its calls and with no need to dispose", () => {
  const code = `
    import { load } from "scatterbrain-attention";
    const sb = await load({ workers: 2 });
    const q = new Float32Array(4 * 512 * 64).fill(1);
    await sb.attention({ q, k: q, v: q, shape: { heads: 4, queries: 512, dim: 64 }, method: "exact" });
    sb.attention({ q, k: q, v: q, shape: { heads: 4, queries: 512, dim: 64 }, method: "exact" })
      .then(({ stats }) => console.log(stats.workers));`;
  const args = ["--input-type=module", "--eval", code];
  const told = execFileSync(process.execPath, args, {
    cwd: packageFolder,
    encoding: "utf8",
    timeout: 20_000,
  });
  assert.equal(told, "2\n");
});
