// Usage: node main.js [--quick | --long] [--json FILE]: Markdown on stdout, progress on stderr.
import { readFileSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus } from "node:os";
import { parseArgs } from "node:util";
import { chromiumHost } from "./hosts/chromium.js";
import { nodeHost } from "./hosts/node.js";
import { measure, measureMemory, Seat } from "./measure.js";
import { hostReport, startTable } from "./report.js";
import { measureStart } from "./start.js";
import { MEMORY_TASKS, tasks } from "./tasks.js";

const { values } = parseArgs({
  options: { quick: { type: "boolean" }, long: { type: "boolean" }, json: { type: "string" } },
});
const size = values.quick ? "quick" : values.long ? "long" : "usual";
const rounds = values.quick ? 3 : 7;
const threads = availableParallelism();

const { dependencies } = JSON.parse(readFileSync(new URL("package.json", import.meta.url), "utf8"));
const peer = (id, name) => ({ id, name: `${name} ${dependencies[name]}` });
const LIBRARIES = [
  { id: "ours", name: "scatterbrain" },
  peer("onnxruntime", "onnxruntime-web"),
  {
    ...peer("tfjs", "@tensorflow/tfjs-backend-wasm"),
    name: `tfjs-backend-wasm ${dependencies["@tensorflow/tfjs-core"]}`,
  },
  peer("jax", "@jax-js/jax"),
];

/** Ours comes first: the others are compared with it. */
const CONTESTANTS = [
  { id: "ours", threads: 1, label: "**scatterbrain**" },
  { id: "simd128", threads: 1, label: "**scatterbrain**, SIMD128" },
  { id: "webgpu", threads: 1, label: "**scatterbrain**, WebGPU" },
  { id: "limit", threads: 1, label: "*limit of one thread, SIMD128*" },
  ...LIBRARIES.slice(1).map(({ id, name }) => ({ id, threads: 1, label: name })),
  ...(threads > 1
    ? LIBRARIES.map(({ id, name }) => ({ id, threads, label: `${name}, ${threads} threads` }))
    : []),
];

const started = performance.now();
const progress = (text) => {
  const seconds = Math.round((performance.now() - started) / 1000);
  process.stderr.write(`${String(seconds).padStart(5)} s  ${text}\n`);
};

progress("starting");
const start = await measureStart(rounds);
const hosts = [];
for (const open of [nodeHost, chromiumHost]) {
  const host = await open();
  hosts.push(await run(host));
  await host.close();
}
const processor = `${cpus().length} processors, ${cpus()[0].model.replace(/\(R\)|\(TM\)/g, "")}`;
process.stdout.write(
  `${processor}. Medians of ${rounds}.\n\n${startTable(start)}\n\n${hosts.map(hostReport).join("\n")}`,
);
if (values.json)
  writeFileSync(values.json, `${JSON.stringify({ processor, rounds, start, hosts }, null, 1)}\n`);

async function run(host) {
  const { seats, absent } = await seated(host);
  const measured = [];
  for (const task of tasks(size)) {
    progress(`${host.name}: ${task.id}`);
    measured.push(await measure(seats, task, rounds));
  }
  await Promise.all(seats.map((seat) => seat.close()));
  const memory = [];
  if (host.reportsMemory && size !== "quick") {
    for (const task of MEMORY_TASKS) {
      for (const seat of seats.filter(({ id }) => id !== "limit" && task.by.includes(id))) {
        progress(`${host.name}: memory of ${seat.label}, ${task.id}`);
        memory.push({ task, ...(await measureMemory(seat, task)) });
      }
    }
  }
  return { name: host.name, measured, memory, absent };
}

/** Those that start here. What does not have threads says so by its code; any other failure is for the tables. */
async function seated(host) {
  const seats = [];
  const absent = [];
  for (const one of CONTESTANTS) {
    const seat = new Seat(host, one);
    try {
      await seat.start();
      seats.push(seat);
    } catch (error) {
      if (error.code === "Unsupported") absent.push({ label: one.label, why: error.message });
      else seats.push(seat);
    }
  }
  return { seats, absent };
}
