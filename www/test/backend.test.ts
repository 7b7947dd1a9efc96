import { describe, expect, it } from "vitest";
import { backendSentence } from "../src/lib/backend.ts";

describe("the back-end sentence", () => {
  it("says where it ran, how long it took and how far the outputs are apart", () => {
    const report = { ran: "webgpu", milliseconds: 4.2, wasmMilliseconds: 1234, difference: 2.5e-7 } as const;
    expect(backendSentence({ ...report, adapter: "Some GPU" })).toBe(
      "It ran on WebGPU (Some GPU), in 4.2\u00a0ms; WebAssembly takes 1.23\u00a0s. " +
        "The two outputs differ by 2.50 × 10⁻⁷ of their size.",
    );
    expect(backendSentence(report)).toMatch(/^It ran on WebGPU, in/);
  });

  it("says why it did not run there", () => {
    const report = { ran: "wasm", milliseconds: 12, wasmMilliseconds: 12, difference: 0 } as const;
    expect(backendSentence({ ...report, fallback: "Computed in WebAssembly: no adapter." })).toBe(
      "Computed in WebAssembly: no adapter. That took 12.0\u00a0ms.",
    );
    expect(backendSentence(report)).toMatch(/^Computed in WebAssembly\. That took/);
  });
});
