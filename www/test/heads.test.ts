import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { clusterHead } from "../src/lib/clusters.ts";
import { headFromSafetensors } from "../src/lib/head.ts";
import { CAPTURED, CLUSTERS_ID, DEFAULT_PRESET, isPreset, PRESETS, presetById } from "../src/lib/presets.ts";
import { parseSafetensors } from "../src/lib/safetensors.ts";

/** A safetensors file from a header and data. */
function file(header: unknown, data: ArrayLike<number> = []): ArrayBuffer {
  const text = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const out = new Uint8Array(8 + text.length + data.length);
  new DataView(out.buffer).setBigUint64(0, BigInt(text.length), true);
  out.set(text, 8);
  out.set(data, 8 + text.length);
  return out.buffer;
}

const f16 = (shape: number[], from: number, to: number) => ({
  dtype: "F16",
  shape,
  data_offsets: [from, to],
});

describe("parseSafetensors", () => {
  it("reads halves and singles, at any alignment", () => {
    const single = new Uint8Array(Float32Array.of(1.5, -2).buffer);
    const data = [0x00, 0x3c, 0x00, 0xc0, ...single];
    for (const pad of ["", " ", "  "]) {
      const header = JSON.stringify({
        __metadata__: { scale: "0.5" },
        a: f16([2, 1], 0, 4),
        b: { dtype: "F32", shape: [2], data_offsets: [4, 12] },
      });
      const { metadata, tensors } = parseSafetensors(file(header + pad, data));
      expect(metadata.get("scale")).toBe("0.5");
      expect(tensors.get("a")).toEqual({ shape: [2, 1], data: Float32Array.of(1, -2) });
      expect(tensors.get("b")).toEqual({ shape: [2], data: Float32Array.of(1.5, -2) });
    }
  });

  it("says what is wrong with a file that it cannot read", () => {
    const fails = (buffer: ArrayBuffer, message: RegExp) =>
      expect(() => parseSafetensors(buffer)).toThrow(message);
    fails(new ArrayBuffer(4), /shorter than its header/);
    fails(new Uint8Array(16).fill(255).buffer, /header of .* in a file of 16/);
    fails(file("{"), /not JSON/);
    fails(file([1]), /not an object/);
    fails(
      file({ a: { dtype: "I16", shape: [1], data_offsets: [0, 2] } }, [0, 0]),
      /I16, expected one of F16, BF16, F32, F64/,
    );
    fails(file({ a: null }), /expected one of F16/);
    fails(file({ a: { dtype: "toString", shape: [1], data_offsets: [0, 1] } }, [0]), /expected one of F16/);
    fails(file({ a: f16([-1], 0, 2) }, [0, 0]), /no valid shape/);
    fails(file({ a: f16([2], 0, 2) }, [0, 0]), /needs 4 bytes and has 2/);
    fails(file({ a: f16([2], 0, 4) }, [0, 0]), /cut off/);
    fails(file({ a: { dtype: "F16", shape: [1], data_offsets: [0] } }, [0, 0]), /no valid offsets/);
  });
});

describe("headFromSafetensors", () => {
  it("wants matrices that fit together and a scale", () => {
    const qkv = { q: f16([1, 1], 0, 2), k: f16([1, 1], 2, 4), v: f16([1, 1], 4, 6) };
    const data = [0, 0x3c, 0, 0x3c, 0, 0x3c];
    const meta = { scale: "0.125", causal: "true" };
    expect(headFromSafetensors(file({ __metadata__: meta, ...qkv }, data))).toMatchObject({
      tokens: 1,
      dim: 1,
      valueDim: 1,
      scale: 0.125,
      causal: true,
    });
    const fails = (header: unknown, message: RegExp) =>
      expect(() => headFromSafetensors(file(header, data))).toThrow(message);
    fails({ __metadata__: meta, q: qkv.q, k: qkv.k }, /no matrix v/);
    fails({ __metadata__: meta, ...qkv, k: f16([2, 1], 2, 6) }, /do not fit/);
    fails({ __metadata__: { scale: "-1" }, ...qkv }, /scale is -1/);
    fails(qkv, /scale is undefined/);
  });
});

describe("presets", () => {
  const folder = new URL("../../data/heads/", import.meta.url);

  it("are all the captured heads, and the clusters", () => {
    const files = readdirSync(folder).filter((name) => name.endsWith(".safetensors"));
    const named = PRESETS.flatMap((preset) => preset.file ?? []);
    expect([...named].sort()).toEqual(files.sort());
    expect(PRESETS.length).toBe(named.length + 1);
    expect(new Set(PRESETS.map((preset) => preset.id)).size).toBe(PRESETS.length);
    expect(isPreset(DEFAULT_PRESET)).toBe(true);
    expect(isPreset(CLUSTERS_ID)).toBe(true);
  });

  it.each(PRESETS.filter((preset) => preset.file))("$id: the file holds what the preset says", (preset) => {
    const { file: name, causal, tokens } = presetById(preset.id);
    const bytes = new Uint8Array(readFileSync(new URL(name as string, folder)));
    const head = headFromSafetensors(bytes.buffer);
    expect(head).toMatchObject({ causal, tokens, ...CAPTURED });
    for (const matrix of [head.q, head.k, head.v]) {
      expect(matrix.length).toBe(head.tokens * 64);
      expect(matrix.every(Number.isFinite)).toBe(true);
    }
  });
});

describe("clusterHead", () => {
  const parameters = { tokens: 640, clusters: 8, spread: 0.5, dim: 64, seed: 3 };

  it("has centres of length one and tokens at the given distance", () => {
    const spread = 0.5;
    const without = clusterHead({ ...parameters, spread: 0 });
    const { q, tokens, dim, scale, causal } = clusterHead(parameters);
    expect({ tokens, dim, scale, causal }).toEqual({ tokens: 640, dim: 64, scale: 1, causal: false });
    const length = (z: Float32Array, i: number) => Math.hypot(...z.subarray(i * dim, (i + 1) * dim));
    for (let i = 0; i < tokens; i += 80) expect(length(without.q, i)).toBeCloseTo(1, 6);
    // |r|^2 has mean spread^2; over 640 tokens its mean is within a few per cent.
    let mean = 0;
    for (let c = 0; c < parameters.clusters; c++) {
      const rows = Array.from({ length: 80 }, (_, r) => c * 80 + r);
      const centre = Array.from({ length: dim }, (_, t) =>
        average(rows.map((i) => q[i * dim + t] as number)),
      );
      for (const i of rows) {
        mean += centre.reduce((sum, value, t) => sum + ((q[i * dim + t] as number) - value) ** 2, 0) / tokens;
      }
    }
    expect(mean).toBeGreaterThan(0.9 * spread ** 2);
    expect(mean).toBeLessThan(1.1 * spread ** 2);
  });

  it("has one sample per seed", () => {
    expect(clusterHead(parameters).q).toEqual(clusterHead(parameters).q);
    expect(clusterHead({ ...parameters, seed: 4 }).q).not.toEqual(clusterHead(parameters).q);
    for (const seed of [0, 2 ** 31, 2 ** 32 - 1]) {
      expect(clusterHead({ ...parameters, tokens: 32, seed }).q.every(Number.isFinite)).toBe(true);
    }
  });

  it("is finite at every corner of its ranges", () => {
    for (const tokens of [32, 1024])
      for (const clusters of [1, 32])
        for (const dim of [2, 256])
          for (const spread of [0, 2]) {
            const { q } = clusterHead({ tokens, clusters, dim, spread, seed: 1 });
            expect(q.length).toBe(tokens * dim);
            expect(q.every(Number.isFinite)).toBe(true);
          }
  });
});

function average(values: number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
