import { fork } from "node:child_process";
import { once } from "node:events";
import { median } from "./report.js";

const TOKENS = 2048;

/** What is called first: by name, the options. */
const METHODS = { exact: { method: "exact" }, "default, budget 10 %": { budget: 0.1 } };

/** How long the package takes to load in a fresh Node, and its first and later calls: medians over `rounds` processes. */
export async function measureStart(rounds) {
  const measured = [];
  for (const [label, options] of Object.entries(METHODS)) {
    const samples = [];
    for (let round = 0; round < rounds; round++) {
      const child = fork(new URL("start-child.js", import.meta.url));
      child.send({ tokens: TOKENS, options });
      samples.push((await once(child, "message"))[0]);
      child.disconnect();
    }
    measured.push({
      label: `${label}, n = ${TOKENS}`,
      load: median(samples.map(({ load }) => load)),
      first: median(samples.map(({ calls }) => calls[0])),
      later: median(samples.map(({ calls }) => median(calls.slice(1)))),
    });
  }
  return measured;
}
