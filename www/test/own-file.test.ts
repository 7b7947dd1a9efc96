import { zipSync } from "fflate";
import { describe, expect, it } from "vitest";
import { ownNote } from "../src/lib/own.ts";
import { checkFiles, cutHead, readOwnHeads } from "../src/lib/own-file.ts";
import { npy, safetensors, text } from "./own-files.ts";

const ramp = (count: number, from = 0) => Array.from({ length: count }, (_, i) => from + i / 4);
const read = (name: string, bytes: Uint8Array<ArrayBuffer>) => readOwnHeads([{ name, bytes }]);
const zip = (entries: Record<string, Uint8Array>) => new Uint8Array(zipSync(entries));
const numbers = (...values: number[]) => Float32Array.from(values);

describe("npy", () => {
  it.each(["f2", "f4", "f8", "i4", "i8"])("reads %s in both byte orders, and both orders of axes", (type) => {
    const values = Array.from({ length: 12 }, (_, i) => i - 3);
    for (const order of ["<", ">"] as const)
      for (const fortran of [false, true])
        for (const version of [1, 2, 3]) {
          const file = npy(values, [3, 4], { type: order + type, fortran, version });
          const { q } = read("a.npy", file);
          const expected = fortran
            ? Array.from({ length: 12 }, (_, i) => values[Math.floor(i / 4) + 3 * (i % 4)] as number)
            : values;
          expect(q).toEqual({ shape: [1, 3, 4], data: Float32Array.from(expected) });
        }
  });

  it("turns three axes of Fortran's around", () => {
    // a[i, j, k] = 100 i + 10 j + k, written with i fastest.
    const values = [];
    for (let k = 0; k < 4; k++)
      for (let j = 0; j < 3; j++) for (let i = 0; i < 2; i++) values.push(100 * i + 10 * j + k);
    const { q } = read("a.npy", npy(values, [2, 3, 4], { fortran: true }));
    expect(q.shape).toEqual([2, 3, 4]);
    expect([...q.data.subarray(0, 6)]).toEqual([0, 1, 2, 3, 10, 11]);
    expect(q.data[23]).toBe(123);
  });

  it("says what is wrong", () => {
    const good = npy(ramp(12), [3, 4]);
    const fails = (bytes: Uint8Array<ArrayBuffer>, message: RegExp) =>
      expect(() => read("a.npy", bytes)).toThrow(message);
    const header = (content: string) => npy(ramp(12), [3, 4], { header: content });
    fails(text("hello, this is text"), /^“a\.npy” cannot be used\. npy: this is no file of NumPy\.$/);
    fails(good.slice(0, 9), /ends within its header/);
    fails(good.slice(0, 40), /a header of \d+ bytes in a file of 40/);
    fails(good.slice(0, -1), /shape \[3, 4\] of f4 needs 48 bytes of data, the file has 47/);
    fails(npy([...ramp(12), 1], [3, 4]), /needs 48 bytes of data, the file has 52/);
    const later = good.slice();
    later[6] = 9;
    fails(later, /version 9 is not known/);
    fails(npy(ramp(12), [3, 4], { type: "<c8", as: "<f4" }), /the type is <c8, expected one of f2, f4/);
    fails(npy(ramp(12), [3, 4], { type: "|b1", as: "<f4" }), /the type is \|b1/);
    fails(
      header("{'descr': [('x', '<f4')], 'fortran_order': False, 'shape': (3, 4)}"),
      /no type of plain numbers/,
    );
    fails(header("{'descr': '<f4', 'shape': (3, 4)}"), /no order or no shape/);
    fails(header("{'descr': '<f4', 'fortran_order': False, 'shape': (-3, 4)}"), /no order or no shape/);
    const huge = "(99999999999, 99999999999)";
    fails(
      header(`{'descr': '<f4', 'fortran_order': False, 'shape': ${huge}}`),
      /needs .* bytes of data, the file has 48/,
    );
    // A header longer than any file.
    const long = npy(ramp(12), [3, 4], { version: 2 });
    new DataView(long.buffer).setUint32(8, 0xffffffff, true);
    fails(long, /a header of 4294967295 bytes/);
  });
});

describe("npz", () => {
  const arrays = () => ({ "q.npy": npy(ramp(12), [3, 4]), "k.npy": npy(ramp(12, 1), [3, 4]) });

  it("reads q, k and v, and passes over the rest", () => {
    const { q, k, v, facts } = read(
      "a.npz",
      zip({ ...arrays(), "v.npy": npy(ramp(6), [3, 2]), "notes.txt": text("x") }),
    );
    expect([q.shape, k.shape, v.shape]).toEqual([
      [1, 3, 4],
      [1, 3, 4],
      [1, 3, 2],
    ]);
    expect(v.data).toEqual(Float32Array.from(ramp(6)));
    expect(facts).toEqual({
      heads: 1,
      tokens: 3,
      dim: 4,
      valueDim: 2,
      values: "given",
      scale: 0.5,
      causal: false,
    });
  });

  it("says what is wrong", () => {
    const fails = (bytes: Uint8Array<ArrayBuffer>, message: RegExp) =>
      expect(() => read("a.npz", bytes)).toThrow(message);
    fails(text("not a zip archive"), /npz: the archive cannot be unpacked/);
    fails(zip(arrays()).slice(0, -30), /npz: the archive cannot be unpacked/);
    fails(zip({ "q.npy": arrays()["q.npy"] }), /there is no k; the names must be q, k/);
    fails(zip({ "arr_0.npy": arrays()["q.npy"] }), /there is no q and no k/);
    fails(zip({ ...arrays(), "k.npy": text("no") }), /npz: array k: npy: this is no file of NumPy/);
  });

  it("does not unpack a bomb, nor one that lies about its size", () => {
    const zeros = new Uint8Array(2 ** 22);
    const bomb = zip({ "q.npy": zeros, "k.npy": zeros, "v.npy": zeros });
    expect(bomb.length).toBeLessThan(2 ** 20);
    const sizes = (size: number) => {
      const changed = bomb.slice();
      const view = new DataView(changed.buffer);
      // Central directory entries: the unpacked size is at byte 24.
      for (let at = 0; at < changed.length - 4; at++)
        if (view.getUint32(at, true) === 0x02014b50) view.setUint32(at + 24, size, true);
      return changed;
    };
    expect(() => read("a.npz", sizes(0xfffffffe))).toThrow(/unpack to more than 256 MB/);
    expect(() => read("a.npz", sizes(100))).toThrow(/array q: npy: this is no file of NumPy/);
  });
});

describe("safetensors", () => {
  it("reads all float types and takes scale and causal from the metadata", () => {
    for (const dtype of ["F16", "BF16", "F32", "F64"] as const) {
      const file = safetensors(
        { q: [[2, 2], numbers(1, -2, 0.5, 4)], k: [[2, 2], numbers(1, 2, 3, 4)] },
        { dtype, metadata: { scale: "0.25", causal: "true" } },
      );
      const heads = read("a.safetensors", file);
      expect(heads.q.data).toEqual(numbers(1, -2, 0.5, 4));
      expect(heads.facts).toMatchObject({ scale: 0.25, causal: true, values: "keys" });
      expect(heads.v).toEqual(heads.k);
    }
  });

  it("says what is wrong", () => {
    const file = safetensors({ q: [[2, 2], numbers(1, 2, 3, 4)], k: [[2, 2], numbers(1, 2, 3, 4)] });
    const fails = (bytes: Uint8Array<ArrayBuffer>, message: RegExp) =>
      expect(() => read("a.safetensors", bytes)).toThrow(message);
    fails(
      file.slice(0, 4),
      /“a.safetensors” cannot be used. safetensors: the file is shorter than its header/,
    );
    fails(file.slice(0, -1), /tensor k is cut off/);
    const tensors = { q: [[2, 2], numbers(1, 2, 3, 4)], k: [[2, 2], numbers(1, 2, 3, 4)] } as const;
    fails(safetensors(tensors, { metadata: { scale: "0" } }), /its scale is 0, and it must be from/);
    fails(safetensors(tensors, { metadata: { scale: "much" } }), /its scale is NaN/);
  });
});

describe("csv", () => {
  it.each([
    ["commas", "1,2\n3,4\n"],
    ["semicolons and Windows", "1; 2\r\n3; 4"],
    ["tabs and names", "x\ty\n1\t2\n3\t4\n"],
    ["spaces, exponents and comments", "# by savetxt\n1.0e0 +2e0\n\n 3. 40e-1 \n"],
    ["a byte order mark", "\ufeff1,2\n3,4"],
  ])("reads %s", (_, content) => {
    expect(read("a.csv", text(content)).q).toEqual({ shape: [1, 2, 2], data: numbers(1, 2, 3, 4) });
  });

  it("says what is wrong", () => {
    const fails = (content: string, message: RegExp) =>
      expect(() => read("a.csv", text(content))).toThrow(message);
    fails("1,2\n3,x\n", /line 2, column 2: “x” is not a number/);
    fails("1,2\n3\n", /line 2 has 1 numbers, the lines before have 2/);
    fails("1,,2\n", /line 1, column 2: “” is not a number/);
    fails("a,b\nc,d\n", /line 2, column 1: “c”/);
    fails("\n \n", /no numbers/);
    fails("1,2\n3,nan\n", /q\[1, 1\] is not a number/);
    fails("1,inf\n3,4\n", /q\[0, 1\] is infinite, or too large/);
    fails("1,1e39\n3,4\n", /q\[0, 1\] is infinite, or too large/);
    fails("1,0x10\n", /“0x10” is not a number/);
  });
});

describe("json", () => {
  it("reads nested arrays and flat ones, causal and scale", () => {
    const q = [
      [1, 2],
      [3, 4],
    ];
    const file = { q, k: { shape: [2, 2], data: [5, 6, 7, 8] }, causal: true, scale: 2, other: "x" };
    const heads = read("a.json", text(JSON.stringify(file)));
    expect(heads.q).toEqual({ shape: [1, 2, 2], data: numbers(1, 2, 3, 4) });
    expect(heads.k).toEqual({ shape: [1, 2, 2], data: numbers(5, 6, 7, 8) });
    expect(heads.facts).toMatchObject({ causal: true, scale: 2, values: "keys" });
    const deep = read("a.json", text(JSON.stringify({ q: [[q, q]], k: [[q, q]] })));
    expect(deep.q).toEqual({ shape: [2, 2, 2], data: numbers(1, 2, 3, 4, 1, 2, 3, 4) });
  });

  it.each([
    ["{", /json: this is not JSON/],
    ["[1]", /expected an object with q and k/],
    ["null", /expected an object/],
    ['{"q": 1, "k": 1}', /q is neither nested arrays nor/],
    ['{"q": [[1, 2], [3]], "k": []}', /q has a row of 1 entries where others have 2/],
    ['{"q": [[1, 2], 3], "k": []}', /q has a row of no entries where others have 2/],
    ['{"q": [[1, "2"]], "k": []}', /q holds "2" where a number should be/],
    ['{"q": [[1, null]], "k": []}', /q holds null where/],
    ['{"q": [[1, [2]]], "k": []}', /q holds \[2\] where/],
    [`{"q": ${"[".repeat(50_000)}${"]".repeat(50_000)}}`, /nested deeper than 4 levels|not JSON/],
    ['{"q": {"shape": [1e15, 2], "data": [1]}}', /has shape \[1000000000000000, 2\], but 1 numbers/],
    ['{"q": {"shape": [-1], "data": []}}', /neither nested arrays nor/],
    ['{"q": [[1, 2]], "k": [[1, 2]], "causal": 1}', /causal must be true or false/],
    ['{"q": [[1, 2]], "k": [[1, 2]], "scale": "1"}', /scale must be a number/],
    ['{"q": [[1, 2], [1, 2]], "k": [[1, 2], [1, 2]], "scale": -1}', /its scale is -1/],
    ['{"q": [[1, 1e39], [1, 2]], "k": [[1, 2], [1, 2]]}', /q\[0, 1\] is infinite/],
    ['{"q": [], "k": []}', /q has shape \[0\]; expected \[tokens, dim\]/],
    ['{"q": [[]], "k": [[]]}', /q has shape \[1, 0\], which is empty/],
    ['{"__proto__": {"q": [[1]]}, "k": [[1]]}', /there is no q;/],
  ])("says what is wrong with %.60s", (content, message) => {
    expect(() => read("a.json", text(content))).toThrow(message);
  });
});

describe("heads", () => {
  const json = (q: number[], k: number[], v?: number[]) => {
    const tensor = (shape: number[]) => ({ shape, data: ramp(shape.reduce((a, b) => a * b, 1)) });
    return text(JSON.stringify({ q: tensor(q), k: tensor(k), ...(v ? { v: tensor(v) } : {}) }));
  };

  it("of three and four axes are cut out, also where several share their keys", () => {
    const heads = read("a.json", json([1, 4, 3, 2], [1, 2, 3, 2], [2, 3, 5]));
    expect(heads.facts).toMatchObject({ heads: 4, tokens: 3, dim: 2, valueDim: 5, values: "given" });
    const head = cutHead(heads, { head: 3, scale: 2, causal: true });
    expect(head).toMatchObject({ tokens: 3, dim: 2, valueDim: 5, scale: 2, causal: true });
    expect([...head.q]).toEqual(ramp(6, 18 / 4));
    expect([...head.k]).toEqual(ramp(6, 6 / 4));
    expect([...head.v]).toEqual(ramp(15, 15 / 4));
    expect([...cutHead(heads, { head: 1, scale: 2, causal: true }).k]).toEqual(ramp(6));
  });

  it("of one matrix are q, k and v at once", () => {
    const heads = read("x.csv", text("1,2\n3,4\n"));
    expect([heads.k, heads.v]).toEqual([heads.q, heads.q]);
    expect(heads.facts.values).toBe("one matrix");
  });

  it("come from three files, in any order, or two", () => {
    const files = [
      { name: "V.CSV", bytes: text("9\n8\n") },
      { name: "q.csv", bytes: text("1,2\n3,4\n") },
      { name: "k.npy", bytes: npy([5, 6, 7, 8], [2, 2]) },
    ];
    checkFiles(files.map(({ name, bytes }) => ({ name, size: bytes.length })));
    const { q, k, v, facts } = readOwnHeads(files);
    expect([q, k, v].map(({ data }) => [...data])).toEqual([
      [1, 2, 3, 4],
      [5, 6, 7, 8],
      [9, 8],
    ]);
    expect(facts).toMatchObject({ valueDim: 1, values: "given" });
    expect(readOwnHeads(files.slice(1)).facts.values).toBe("keys");
    expect(() => readOwnHeads(files.slice(0, 2))).toThrow(/^“V.CSV”, “q.csv” cannot be used: there is no k/);
  });

  it.each([
    [[4], [4], undefined, /q has shape \[4\]; expected \[tokens, dim\], \[heads, tokens, dim\] or/],
    [[2, 1, 2, 2], [1, 1, 2, 2], undefined, /q has shape \[2, 1, 2, 2\]: save one sequence of the batch/],
    [[1, 1, 1, 2, 2], [2, 2], undefined, /expected \[tokens, dim\]/],
    [[2, 0], [2, 0], undefined, /q has shape \[2, 0\], which is empty/],
    [[3, 2], [3, 4], undefined, /queries and keys differ in length: q \[1, 3, 2\], k \[1, 3, 4\]/],
    [[3, 2], [4, 2], undefined, /as many keys as queries/],
    [[3, 2], [3, 2], [4, 2], /a value for each key/],
    [[4, 3, 2], [3, 3, 2], undefined, /the heads do not fit/],
    [[4, 3, 2], [2, 3, 2], [4, 3, 2], /the heads do not fit/],
    [[1, 2], [1, 2], undefined, /attention needs two/],
    [[4098, 1], [4098, 1], undefined, /there are 4098 tokens, and the maps show 4097: save a slice/],
    [[2, 1025], [2, 1025], undefined, /the vectors have 1025 numbers, and 1024 are the most/],
    [[2, 1], [2, 1], [2, 1025], /the vectors have 1025 numbers/],
  ])("must have shapes that fit: %j %j %j", (q, k, v, message) => {
    expect(() => read("a.json", json(q, k, v))).toThrow(message);
  });

  it("must be finite, and say where they are not", () => {
    const data = new Array(24).fill(1);
    data[17] = Number.NaN;
    expect(() => read("a.npy", npy(data, [2, 3, 4]))).toThrow(/q\[1, 1, 1\] is not a number/);
    const infinite = safetensors({ q: [[2, 1], numbers(1, 1)], k: [[2, 1], numbers(1, -Infinity)] });
    expect(() => read("a.safetensors", infinite)).toThrow(/k\[1, 0\] is infinite/);
  });
});

describe("checkFiles", () => {
  it.each([
    [[], /no file/],
    [[{ name: "a.pt", size: 5 }], /“a.pt” is none of .npy, .npz, .safetensors, .csv, .json/],
    [[{ name: "npy", size: 5 }], /is none of/],
    [[{ name: "a.npy", size: 0 }], /“a.npy” is empty/],
    [[{ name: "a.npy", size: 64 * 2 ** 20 + 1 }], /“a.npy” has 65 MB, and the page takes 64/],
    [
      [
        { name: "a.csv", size: 5 },
        { name: "k.csv", size: 5 },
      ],
      /named q, k and v/,
    ],
    [
      [
        { name: "q.csv", size: 5 },
        { name: "q.npy", size: 5 },
      ],
      /named q, k and v/,
    ],
    [
      [
        { name: "q.npz", size: 5 },
        { name: "k.npz", size: 5 },
      ],
      /one matrix each/,
    ],
  ])("refuses %j", (files, message) => {
    expect(() => checkFiles(files)).toThrow(message);
  });

  it("takes what the formats allow", () => {
    for (const name of ["a.NPY", "b.npz", "my.head.safetensors", "c.csv", "d.json"])
      expect(() => checkFiles([{ name, size: 64 * 2 ** 20 }])).not.toThrow();
  });
});

describe("ownNote", () => {
  const facts = {
    heads: 1,
    tokens: 1025,
    dim: 64,
    valueDim: 64,
    values: "given",
    scale: 1,
    causal: false,
  } as const;

  it("says how large the heads are and where the values come from", () => {
    expect(ownNote(facts)).toBe("1,025 tokens, d = 64.");
    expect(ownNote({ ...facts, heads: 12, values: "keys" })).toBe(
      "12 heads of 1,025 tokens, d = 64. Without v, the keys serve as values.",
    );
    expect(ownNote({ ...facts, valueDim: 8, values: "one matrix" })).toMatch(
      /, values of 8\. It is one matrix: /,
    );
  });
});
