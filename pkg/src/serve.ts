/** A worker's side: an instance of the module, and the parts it is given. */
import { core } from "./core.js";
import { ScatterbrainError } from "./errors.js";
import type { Order, PartCall, PartResult, Report } from "./protocol.js";
import { carryOut } from "./task.js";

/** Gives what obeys orders, and answers by `report`. */
export function serve(report: (report: Report, transfer: ArrayBuffer[]) => void): (order: Order) => void {
  /** Parts under way, and whether they should stop. */
  const stopped = new Map<number, boolean>();
  let started: Promise<void> | undefined;

  const compute = async (id: number, call: PartCall): Promise<PartResult> => {
    stopped.set(id, false);
    try {
      await started;
      const { q, k, v, options, index, count } = call;
      const task = core.task(({ Job }) => Job.part(q, k, v, options, index, count));
      const check = () => {
        if (stopped.get(id)) throw new ScatterbrainError("Aborted", "The part was cancelled");
      };
      const hear = (fraction: number) => report({ kind: "progress", id, fraction }, []);
      return (await carryOut(task, check, hear)) as PartResult;
    } finally {
      stopped.delete(id);
    }
  };

  const answer = (id: number, work: Promise<PartResult | undefined>) =>
    work.then(
      (result) => report({ kind: "result", id, result }, result ? [result.output.buffer] : []),
      (error) => {
        const code = error instanceof ScatterbrainError ? error.code : "Internal";
        report(
          { kind: "failure", id, code, message: error instanceof Error ? error.message : `${error}` },
          [],
        );
      },
    );

  return (order) => {
    switch (order.kind) {
      case "start":
        started = core.start(async () => order.module);
        answer(
          order.id,
          started.then(() => undefined),
        );
        break;
      case "part":
        answer(order.id, compute(order.id, order.call));
        break;
      case "cancel":
        if (stopped.has(order.id)) stopped.set(order.id, true);
    }
  };
}
