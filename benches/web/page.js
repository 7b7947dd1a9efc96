/** A contestant in a page of its own; opened by hosts/chromium.js. */
import tfjsPlain from "@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm.wasm?url";
import tfjsSimd from "@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm?url";
import tfjsThreads from "@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-threaded-simd.wasm?url";
import ortModule from "onnxruntime-web/ort-wasm-simd-threaded.mjs?url";
import ortWasm from "onnxruntime-web/ort-wasm-simd-threaded.wasm?url";
import head from "../../data/heads/dinov2-astronaut-4097-l09h2.safetensors?url";
import { contestant } from "./contestant.js";
import limit from "./limit/limit.wasm?url";

const bytes = async (address) => (await fetch(address)).arrayBuffer();
const absolute = (address) => new URL(address, location.href).href;

globalThis.contestant = contestant({
  wasm: {
    limit: () => bytes(limit),
    onnxruntime: { mjs: absolute(ortModule), wasm: absolute(ortWasm) },
    tfjs: {
      "tfjs-backend-wasm.wasm": tfjsPlain,
      "tfjs-backend-wasm-simd.wasm": tfjsSimd,
      "tfjs-backend-wasm-threaded-simd.wasm": tfjsThreads,
    },
  },
  readHead: () => bytes(head),
});
