/** The worker: loads the package once and answers the page's calls. */
import { expose, transfer } from "comlink";
import { load } from "scatterbrain-attention";
import type { Bench } from "../figures/figure.ts";
import type { Question } from "../lib/request.ts";
import type { Timing, View } from "../lib/results.ts";
import { compareBackends, curvePoint, type Instance, time } from "./analyse.ts";
import { Bands } from "./bands.ts";
import { getHead, getOwnHeads } from "./heads.ts";
import { Helper } from "./helper.ts";
import { computeBand, Matrices } from "./matrices.ts";
import type { Engine, Failure, HeadSource, Progress } from "./protocol.ts";

const running = new Map<number, AbortController>();
let instance: Promise<Instance> | undefined;
/** The same with a GPU, where there is one. Not loaded before it is asked for. */
let gpuInstance: Promise<Instance> | undefined;
/** Pictures come first: what else is in hand is put off while one is computed. */
let pictureDone: Promise<unknown> = Promise.resolve();
let atNextPicture = new AbortController();
let timed: { key: string; timing: Timing } | undefined;
const bands = new Bands();
const helper = new Helper();

function ready(): Promise<Instance> {
  instance ??= load().catch((error) => {
    // The next call tries again: the network may be back.
    instance = undefined;
    throw error;
  });
  return instance;
}

function gpuReady(): Promise<Instance> {
  gpuInstance ??= load({ backend: "auto" }).catch((error) => {
    gpuInstance = undefined;
    throw error;
  });
  return gpuInstance;
}

const engine: Engine = {
  readOwn(id, own, onProgress) {
    return abortable(id, async () => {
      const { facts } = await getOwnHeads(own, (fraction) => onProgress("loading", fraction));
      return facts;
    });
  },

  picture(id, source, question, look, onProgress) {
    const done = abortable(id, async (signal) => {
      const matrices = await matricesOf(source, question, signal, onProgress);
      const picture = await matrices.picture(look, {
        signal,
        onProgress: (fraction) => onProgress("computing", fraction),
      });
      const { grids, view } = picture;
      return transfer(picture, [...buffers(grids), ...(view ? buffers(view.grids) : [])]);
    });
    // The first picture does without, for it waits for what this would load once more.
    pictureDone = done.then(() => helper.start()).catch(() => {});
    atNextPicture.abort();
    atNextPicture = new AbortController();
    return done;
  },

  grids(id, source, question, region, size, onProgress) {
    return abortable(id, async (signal) => {
      const matrices = await matricesOf(source, question, signal, onProgress);
      const grids = await matrices.grids(region, size, {
        signal,
        onProgress: (fraction) => onProgress("computing", fraction),
      });
      return transfer(grids, buffers(grids));
    });
  },

  entry(id, source, question, cell) {
    return abortable(id, async (signal) => {
      const matrices = await matricesOf(source, question, signal, () => {});
      return matrices.entry(cell, { signal });
    });
  },

  write(id, source, question, format, start, map, region, onProgress) {
    return abortable(id, async (signal) => {
      const matrices = await matricesOf(source, question, signal, onProgress);
      return matrices.write(format, start, map, region, {
        signal,
        onProgress: (fraction) => onProgress("computing", fraction),
      });
    });
  },

  measure(id, source, question, onProgress) {
    return abortable(id, async (signal) => {
      const sb = await ready();
      const head = await getHead(source, signal, () => {});
      const watch = { signal, onProgress: (fraction: number) => onProgress("computing", fraction) };
      const point = await curvePoint(sb, head, question, question.temperature, watch);
      // No part of the work depends on the temperature, so a drag need not time it again.
      const key = JSON.stringify([source, { ...question, temperature: 1 }]);
      if (timed?.key !== key) timed = { key, timing: await time(sb, head, question, { signal }) };
      return { point, timing: timed.timing };
    });
  },

  compareBackends(id, source, question, onProgress) {
    return abortable(id, async (signal) => {
      const sb = await ready();
      const head = await getHead(source, signal, () => {});
      const gpu = await gpuReady();
      signal.throwIfAborted();
      return compareBackends(sb, gpu, head, question, {
        signal,
        onProgress: (fraction) => onProgress("computing", fraction),
      });
    });
  },

  curve(id, source, question, temperatures, onPoint) {
    return abortable(id, async (signal) => {
      const sb = await ready();
      const head = await getHead(source, signal, () => {});
      for (const temperature of temperatures) {
        // Waiting for the page to take the point lets an `abort` in, and never runs ahead of the drawing.
        await onPoint(
          await betweenPictures(signal, (either) =>
            curvePoint(sb, head, question, temperature, { signal: either }),
          ),
        );
      }
    });
  },

  figure(id, figure, request, onUpdate) {
    return abortable(id, async (signal) => {
      const [sb, { computations }] = await Promise.all([ready(), import("../figures/compute.ts")]);
      const step: Bench["step"] = (work) => betweenPictures(signal, work);
      await computations[figure]({ sb, signal, step, ...request }, async (data, fraction) => {
        await onUpdate(data, fraction);
        signal.throwIfAborted();
      });
    });
  },

  prepare(id) {
    return abortable(id, async () => {
      await ready();
    });
  },

  band(id, head, question, rows) {
    return abortable(id, async (signal) => {
      const band = await computeBand(await ready(), head, question, rows, { signal });
      const { exact, lowRank, sparse, approximation, support } = band;
      return transfer(band, [
        ...[exact, lowRank, sparse, approximation].map(({ buffer }) => buffer),
        support.buffer,
      ]);
    });
  },

  abort(id) {
    running.get(id)?.abort();
  },
};

async function matricesOf(
  source: HeadSource,
  question: Question,
  signal: AbortSignal,
  onProgress: Progress,
): Promise<Matrices> {
  const sb = await ready();
  const head = await getHead(source, signal, (fraction) => onProgress("loading", fraction));
  signal.throwIfAborted();
  const subject = JSON.stringify([source, question]);
  return new Matrices(sb, head, question, { subject, bands, elsewhere: helper.elsewhere });
}

function buffers({ exact, lowRank, sparse, error }: View["grids"]): ArrayBuffer[] {
  return [exact, lowRank, sparse, error].map(({ values }) => values.buffer);
}

/** Runs `work` when no picture is computed, and once more if one came in between. */
async function betweenPictures<T>(
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  for (;;) {
    await pictureDone;
    signal.throwIfAborted();
    const { signal: interrupted } = atNextPicture;
    try {
      return await work(AbortSignal.any([signal, interrupted]));
    } catch (error) {
      if (signal.aborted || !interrupted.aborted) throw error;
    }
  }
}

async function abortable<T>(id: number, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  running.set(id, controller);
  try {
    return await guarded(work(controller.signal));
  } finally {
    running.delete(id);
  }
}

async function guarded<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw failure(error);
  }
}

function failure(error: unknown): Failure {
  const { name, code, message } = Object(error) as { name?: string; code?: unknown; message?: string };
  if (name === "AbortError") return { code: "Aborted", message: "The computation was cancelled." };
  return { code: typeof code === "string" ? code : "Failed", message: message ?? String(error) };
}

expose(engine);
