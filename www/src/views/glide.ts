import { fromSlider, toSlider } from "../lib/temperature.ts";

export interface GlideEvents {
  temperature(): number;
  onTemperature(temperature: number): void;
}

/** Long enough to see the maps change on the way, short enough not to wait for. */
const MS_PER_DECADE = 700;

const still = matchMedia("(prefers-reduced-motion: reduce)");

/** Moves the temperature as a hand on the slider would. Who takes the slider meanwhile, has it. */
export class Glide {
  readonly #events: GlideEvents;
  #frame = 0;

  constructor(events: GlideEvents) {
    this.#events = events;
  }

  to(target: number): void {
    this.stop();
    if (still.matches) {
      this.#events.onTemperature(target);
      return;
    }
    let last = this.#events.temperature();
    const from = toSlider(last);
    const way = toSlider(target) - from;
    if (way === 0) return;
    const start = performance.now();
    const step = (now: number) => {
      if (this.#events.temperature() !== last) return;
      const done = Math.min(1, Math.max(0, (now - start) / (MS_PER_DECADE * Math.abs(way))));
      last = done < 1 ? fromSlider(from + way * ease(done)) : target;
      if (last !== this.#events.temperature()) this.#events.onTemperature(last);
      if (done < 1) this.#frame = requestAnimationFrame(step);
    };
    this.#frame = requestAnimationFrame(step);
  }

  stop(): void {
    cancelAnimationFrame(this.#frame);
  }
}

/** Starts and ends gently. */
function ease(x: number): number {
  return x * x * (3 - 2 * x);
}
