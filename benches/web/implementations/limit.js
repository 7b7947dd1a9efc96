/**
 * Not an implementation but what the machine allows: the time of exact attention if it were nothing but its products at
 * the speed of a GEMM micro-kernel in the first-level cache, and its exponentials at that of a loop of them.
 */

/** A name and how much one round of a loop in limit.wat does. */
const LOOPS = {
  registers: 13 * 4 * 2,
  microkernel: 2 * 64 * 16 * 16,
  exp: 1024,
  copy: 32 * 2 ** 20,
};

/** Long enough for the clock of a page, short enough to be repeated beside each measurement. */
const MILLISECONDS = 15;

export async function start({ wasm }) {
  const { exports } = await WebAssembly.instantiate(await WebAssembly.compile(await wasm.limit()));
  checkExp(exports);
  const rounds = {};
  const rate = (name) => {
    for (rounds[name] ??= 1; ; rounds[name] *= 2) {
      const started = performance.now();
      exports[name](rounds[name]);
      const milliseconds = performance.now() - started;
      if (milliseconds >= MILLISECONDS) return (LOOPS[name] * rounds[name]) / milliseconds / 1e6;
    }
  };
  return {
    /** Billions a second: flops, exponentials or bytes. */
    rate,
    prepare({ kind, heads, tokens, dim, loop }) {
      if (kind === "limit") return async () => ({ value: rate(loop) });
      return async () => {
        const billions = (heads * tokens ** 2) / 1e9;
        return { value: 1e3 * billions * ((4 * dim) / rate("microkernel") + 1 / rate("exp")) };
      };
    },
  };
}

/** A loop that computes something else may not stand as the limit. */
function checkExp({ exp, memory }) {
  const x = new Float32Array(memory.buffer, 16384, 1024).map((_, i) => (-86.9 * i) / 1024);
  new Float32Array(memory.buffer, 16384, 1024).set(x);
  exp(1);
  const y = new Float32Array(memory.buffer, 20480, 1024);
  const worst = Math.max(...y.map((y, i) => Math.abs(y / Math.exp(x[i]) - 1)));
  if (!(worst < 3e-7)) throw new Error(`exp of limit.wat is wrong by ${worst}`);
}
