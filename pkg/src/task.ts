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
    await advance(task, 1, check, onProgress);
    check();
    return task.finish();
  } finally {
    task.free();
  }
}

/**
 * As `carryOut`, of two tasks that do the same work in other ways: each in turn does a `share` of it, and the one that was faster
 * goes on alone.
 */
export async function carryOutFaster(
  tasks: [Task, Task],
  share: number,
  check: () => void,
  onProgress: ((fraction: number) => void) | undefined,
): Promise<unknown> {
  try {
    const costs: number[] = [];
    for (const task of tasks) {
      const before = costs.length * share;
      const start = performance.now();
      const hear = (done: number) => onProgress?.((before + Math.min(done, share)) / (1 + share));
      const done = await advance(task, share, check, hear);
      // A slice may go on beyond the share.
      costs.push((performance.now() - start) / done);
    }
    const [first, second] = costs as [number, number];
    const [faster, slower] = first < second ? tasks : [tasks[1], tasks[0]];
    slower.free();
    tasks.splice(0, 2, faster);
    await advance(faster, 1, check, (done) => onProgress?.((done + share) / (1 + share)));
    check();
    return faster.finish();
  } finally {
    for (const task of tasks) task.free();
  }
}

/** Works on `task` until a share of it is done, or somewhat more. Gives how much is. */
async function advance(
  task: Task,
  share: number,
  check: () => void,
  onProgress: ((fraction: number) => void) | undefined,
): Promise<number> {
  let done = 0;
  while (done < share) {
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
  return done;
}
