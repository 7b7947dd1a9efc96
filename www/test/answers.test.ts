import { expect, it, vi } from "vitest";
import { Answers } from "../src/lib/answers.ts";

const soon = () => new Promise((resolve) => setTimeout(resolve));

/** Answers to numbers, each of which is given by hand. */
function make(grace = 1000) {
  const open = new Map<number, { resolve(answer: string): void; reject(error: Error): void }>();
  const events = { onChange: vi.fn(), onError: vi.fn() };
  const ask = (question: number, signal: AbortSignal) =>
    new Promise<string>((resolve, reject) => {
      open.set(question, { resolve, reject });
      signal.addEventListener("abort", () => reject(new Error("aborted")));
    });
  return { answers: new Answers<number, string>(ask, grace, events), open, events };
}

it("tells an answer when it is there, and knows it from then on", async () => {
  const { answers, open, events } = make();
  expect([answers.get(1), answers.get(1), answers.waiting, answers.late]).toEqual([null, null, true, false]);
  open.get(1)?.resolve("one");
  await soon();
  expect(events.onChange).toHaveBeenCalledTimes(1);
  expect([answers.get(1), answers.waiting]).toEqual(["one", false]);
  answers.tell(2, "two");
  expect([answers.get(2), open.has(2)]).toEqual(["two", false]);
});

it("asks only the first and the newest of many, and drops what is no longer wanted", async () => {
  const { answers, open, events } = make();
  for (const question of [1, 2, 3, 4]) answers.get(question);
  open.get(1)?.resolve("one");
  await soon();
  expect([...open.keys()]).toEqual([1, 4]);
  expect(events.onChange).not.toHaveBeenCalled();
  open.get(4)?.resolve("four");
  await soon();
  expect(answers.get(4)).toBe("four");
});

it("says when an answer is late, and is not when there is one", async () => {
  const { answers, open, events } = make(5);
  answers.get(1);
  await vi.waitFor(() => expect(events.onChange).toHaveBeenCalledTimes(1));
  expect([answers.late, answers.waiting]).toEqual([true, true]);
  open.get(1)?.resolve("one");
  await soon();
  expect([answers.get(1), answers.late]).toEqual(["one", false]);
});

it("does not ask again what failed or was cancelled, but asks anew", async () => {
  const { answers, open, events } = make();
  answers.get(1);
  answers.cancel();
  await soon();
  expect(events.onError).toHaveBeenCalledTimes(1);
  expect([answers.get(1), answers.waiting, answers.late]).toEqual([null, false, true]);
  expect(answers.get(2)).toBeNull();
  open.get(2)?.resolve("two");
  await soon();
  expect([answers.get(2), answers.late]).toEqual(["two", false]);
});
