import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Question } from "../src/lib/request.ts";
import { DEFAULTS, type State } from "../src/lib/state.ts";
import { PinnedSession } from "../src/pinned-session.ts";
import type { EngineClient } from "../src/worker/client.ts";

const pinned: Question = {
  temperature: 2,
  budget: 0.25,
  split: 0.5,
  support: "lsh",
  features: "elu",
  seed: 3,
};
/** A head that no file is fetched for. */
const compared: State = { ...DEFAULTS, preset: "clusters", pinned };

/** A worker that answers when the test says so. */
class Worker {
  readonly calls: { what: string; question: Question; answer(): void; fail(message: string): void }[] = [];

  picture = (_: unknown, question: Question, __: unknown, signal: AbortSignal) =>
    this.#call("picture", question, signal, {});
  measure = (_: unknown, question: Question, signal: AbortSignal) =>
    this.#call("measure", question, signal, { point: { errors: {} }, timing: null });

  #call(what: string, question: Question, signal: AbortSignal, value: object): Promise<object> {
    return new Promise((resolve, reject) => {
      signal.addEventListener("abort", () => reject(new Error("aborted")));
      this.calls.push({
        what,
        question,
        answer: () => resolve(value),
        fail: (message) => reject(new Error(message)),
      });
    });
  }
}

let worker: Worker;
let heard: string[];
let session: PinnedSession;
const rest = () => vi.advanceTimersByTimeAsync(1000);
const asked = () => worker.calls.map(({ what }) => what);

beforeEach(() => {
  vi.useFakeTimers();
  worker = new Worker();
  heard = [];
  session = new PinnedSession(worker as unknown as EngineClient, {
    look: () => ({ size: 100, view: null, cell: null }),
    onPart: () => {},
    onPartEnd: () => {},
    onStale: () => heard.push("stale"),
    onProgress: () => {},
    onPicture: (_, state) => heard.push(`picture of budget ${state.budget}`),
    onSummary: () => heard.push("summary"),
    onStopped: (message) => heard.push(message),
  });
});
afterEach(() => vi.useRealTimers());

async function answer(): Promise<void> {
  worker.calls.at(-1)?.answer();
  await rest();
}

describe("what is pinned", () => {
  it("is computed once, whatever the settings do", async () => {
    session.update(compared);
    await rest();
    expect(worker.calls[0]?.question).toEqual(pinned);
    await answer();
    await answer();
    expect(heard).toEqual(["stale", "picture of budget 0.25", "summary"]);
    session.hold();
    session.update({ ...compared, budget: 0.5 });
    session.release();
    await rest();
    expect(asked()).toEqual(["picture", "measure"]);
    session.update({ ...compared, clusters: { ...DEFAULTS.clusters, seed: 9 } });
    await rest();
    expect(asked()).toEqual(["picture", "measure", "picture"]);
  });

  it("waits for the settings' own picture, and makes way for the next one", async () => {
    session.hold();
    session.update(compared);
    await rest();
    expect(asked()).toEqual([]);
    session.release();
    await rest();
    session.hold();
    await rest();
    expect(asked()).toEqual(["picture"]);
    session.release();
    await rest();
    expect(asked()).toEqual(["picture", "picture"]);
    // A picture that is there is not asked for twice; only its numbers are.
    await answer();
    session.hold();
    session.release();
    await rest();
    await answer();
    expect(asked()).toEqual(["picture", "picture", "measure", "measure"]);
    expect(heard).toEqual(["stale", "picture of budget 0.25", "summary"]);
  });

  it("is dropped for another pin, and with none", async () => {
    session.update(compared);
    await rest();
    session.update({ ...compared, pinned: { ...pinned, budget: 0.75 } });
    await answer();
    await answer();
    expect(heard).toEqual(["stale", "stale", "picture of budget 0.75"]);
    session.update({ ...compared, pinned: null });
    await answer();
    expect(heard.length).toBe(3);
  });

  it("stays stopped when it was cancelled or failed, until it is asked for again", async () => {
    session.update(compared);
    await rest();
    session.cancel();
    session.hold();
    session.release();
    await rest();
    expect([asked(), heard]).toEqual([["picture"], ["stale", "Cancelled."]]);
    session.retry();
    await rest();
    worker.calls.at(-1)?.fail("Out of memory.");
    await rest();
    session.hold();
    session.release();
    await rest();
    expect([asked(), heard.at(-1)]).toEqual([["picture", "picture"], "Out of memory."]);
    session.retry();
    await rest();
    await answer();
    expect(heard.at(-1)).toBe("picture of budget 0.25");
  });
});
