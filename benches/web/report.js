/** The measurements as Markdown. */

export const median = (numbers) => {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
};

/** How long it takes until a call of a fresh process is done. */
export function startTable(measured) {
  const rows = measured.map(({ label, load, first, later }) => [
    label,
    ...[load, first, later].map(number),
    (first / later).toFixed(2),
  ]);
  return `## Starting, in Node\n\n${table(["ms", "load()", "first call", "later calls", "first to later"], rows)}`;
}

/** Everything about one host. */
export function hostReport({ name, measured, memory, absent }) {
  const of = (kind) => measured.filter(({ task }) => task.kind === kind);
  const exact = of("exact");
  const everybody = exact.filter(({ task }) => task.by.includes("onnxruntime"));
  const parts = [`## ${name}`];
  if (absent.length > 0)
    parts.push(`Not measured: ${absent.map(({ label, why }) => `${label} (${why})`).join(", ")}.`);
  parts.push(limits(of("limit")));
  for (const heads of new Set(everybody.map(({ task }) => task.heads))) {
    const group = everybody.filter(({ task }) => task.heads === heads);
    const title = `Exact attention, ${heads === 1 ? "one head" : `${heads} heads`}, d = 64`;
    parts.push(exactTable(title, group, ({ tokens }) => `n = ${tokens}`));
  }
  const dims = exact.filter(({ task }) => !task.by.includes("onnxruntime"));
  if (dims.length > 0)
    parts.push(exactTable("Exact attention, one head, n = 2048", dims, ({ dim }) => `d = ${dim}`));
  parts.push(estimateTable(of("estimate")));
  if (memory.length > 0) parts.push(memoryTable(memory));
  return `${parts.join("\n\n")}\n`;
}

const LIMITS = {
  registers: (rate) => `multiply and add in registers: ${rate.toFixed(1)} GFLOP/s`,
  microkernel: (rate) =>
    `GEMM micro-kernel, 2 x 16, operands in the first-level cache: ${rate.toFixed(1)} GFLOP/s`,
  exp: (rate) => `exp: ${rate.toFixed(2)} · 10⁹ a second`,
  copy: (rate) => `copy, 32 MiB: ${rate.toFixed(1)} GB/s`,
};

function limits(measured) {
  const lines = measured.map(({ task, entries: [{ samples, failure }] }) =>
    failure ? `- ${task.loop}: ${failure}` : `- ${LIMITS[task.loop](Math.max(...samples))}`,
  );
  return ["One thread of this machine, SIMD128, best of all samples:", "", ...lines].join("\n");
}

function exactTable(title, measured, head) {
  const labels = [...new Set(measured.flatMap(({ entries }) => entries.map(({ label }) => label)))];
  const rows = labels.map((label) => [label, ...measured.map((one) => exactCell(one, label))]);
  return `### ${title}\n\n${table(["ms · GFLOP/s · time to ours", ...measured.map(({ task }) => head(task))], rows)}`;
}

function exactCell({ task, entries }, label) {
  const entry = entries.find((entry) => entry.label === label);
  if (entry === undefined) return "–";
  if (entry.failure) return failed(entry);
  const milliseconds = median(entry.samples);
  const gigaflops = (4 * task.heads * task.tokens ** 2 * task.dim) / milliseconds / 1e6;
  return `${number(milliseconds)} · ${number(gigaflops)} · ${ratioToOurs(entry, entries)}`;
}

/** Of times taken in the same round, since the machine's load changes from round to round. */
function ratioToOurs(entry, entries) {
  const ours = entries[0];
  if (entry === ours) return "1";
  if (ours.failure) return "–";
  return `${median(entry.samples.map((sample, round) => sample / ours.samples[round])).toFixed(2)}`;
}

function estimateTable(measured) {
  const rows = measured.flatMap(({ task, entries }) =>
    entries.map((entry) => [
      task.label,
      task.tokens,
      entry.label,
      ...(entry.failure
        ? [failed(entry), "–", "–", "–"]
        : [
            number(median(entry.samples)),
            exactToIt(entry, task, measured),
            ratioToOurs(entry, entries),
            entry.error.toPrecision(2),
          ]),
    ]),
  );
  const head = ["", "n", "", "ms", "exact, ours, to it", "time to ours", "relative error"];
  return `### Estimators, one head, d = 64\n\n${table(head, rows)}`;
}

/** How many times as long our exact attention of the same tokens takes, with the same instructions where it can be. */
function exactToIt(entry, { tokens, options }, measured) {
  const exact = measured.find(({ task }) => task.tokens === tokens && task.options.method === "exact");
  if (exact === undefined || options.method === "exact") return "–";
  const same = exact.entries.find(({ label }) => label === entry.label) ?? exact.entries[0];
  return same.failure ? "–" : (median(same.samples) / median(entry.samples)).toFixed(2);
}

function memoryTable(memory) {
  const rows = memory.map((entry) => [
    `${entry.task.label ?? "exact"}, ${entry.task.heads === 1 ? "one head" : `${entry.task.heads} heads`}, n = ${entry.task.tokens}`,
    entry.label,
    entry.failure ? failed(entry) : `${Math.round(entry.bytes / 2 ** 20)} MiB`,
  ]);
  return `### Memory, d = 64\n\n${table(["", "", "the process grows by"], rows)}`;
}

/** What peers throw can be pages long. */
const failed = ({ failure }) => `fails: ${failure.replace(/\s+/g, " ").replaceAll("|", "/").slice(0, 80)}`;

const number = (x) =>
  x >= 99.5 ? x.toFixed(0) : x.toPrecision(2).includes("e") ? x.toFixed(0) : x.toPrecision(x >= 9.95 ? 3 : 2);

function table(head, rows) {
  const line = (cells) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}
