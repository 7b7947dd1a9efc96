import { nextTurn } from "./turns.js";

/** A job inside a module. Its calls fail once the instance that it lives in is no longer the current one. */
export interface Task {
  /**
   * Works for about so many milliseconds; gives the fraction that is done, or what to wait for before there is more to do.
   */
  step: (milliseconds: number) => number | Promise<void>;
  finish: () => unknown;
  free: () => void;
}

/** How long one slice of work may hold the thread, in milliseconds: short enough for a smooth page. */
const SLICE = 12;

/** Carries `task` out in slices. What `check` or `onProgress` throws ends it. */
export async function carryOut(
  task: Task,
  check: () => void,
  onProgress: ((fraction: number) => void) | undefined,
): Promise<unknown> {
  try {
    for (let done = 0; done < 1; ) {
      await nextTurn();
      check();
      const step = task.step(SLICE);
      if (typeof step === "number") {
        done = Math.max(done, step);
        onProgress?.(done);
      } else {
        await step;
      }
    }
    check();
    return task.finish();
  } finally {
    task.free();
  }
}
