import { commonOptions } from "../lib/request.ts";
import { getHead } from "../worker/heads.ts";
import type { Bench, Update } from "./figure.ts";

/** The dense matrices of the current head, for figures that look at all entries. */
export async function decomposed({ sb, source, question, signal, step }: Bench) {
  const head = await getHead(source, signal, () => {});
  const { temperature } = question;
  const options = { ...commonOptions(question, head), method: "scatterbrain", temperature } as const;
  return { head, view: await step((signal) => sb.decompose({ ...options, signal })) };
}

/** For the page's own long loops: tells the share done, `from` to `to`, lets a cancellation in and pictures go first. */
export function givingWay({ step }: Bench, update: Update<never>, from: number, to: number) {
  return async (fraction: number) => {
    await update(null, from + (to - from) * fraction);
    await step(async () => {});
  };
}

/** A loop, because `map` would take four times as long for a million entries. */
export function difference(a: Float32Array, b: Float32Array): Float32Array {
  const out = new Float32Array(a.length);
  for (let i = 0; i < out.length; i++) out[i] = (a[i] as number) - (b[i] as number);
  return out;
}
