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
  /** Where it is going, and where it was last seen on its way. */
  #way: { target: number; last: number } | null = null;

  constructor(events: GlideEvents) {
    this.#events = events;
  }

  to(target: number): void {
    this.stop();
    const first = this.#events.temperature();
    if (first === target) return;
    const way = { target, last: first };
    this.#way = way;
    if (still.matches) {
      this.finish();
      return;
    }
    const [from, length] = [toSlider(first), toSlider(target) - toSlider(first)];
    const start = performance.now();
    const step = (now: number) => {
      const done = Math.max(0, (now - start) / (MS_PER_DECADE * Math.abs(length)));
      if (done >= 1) {
        this.finish();
        return;
      }
      if (this.#events.temperature() !== way.last) return;
      way.last = fromSlider(from + length * ease(done));
      if (way.last !== this.#events.temperature()) this.#events.onTemperature(way.last);
      this.#frame = requestAnimationFrame(step);
    };
    this.#frame = requestAnimationFrame(step);
  }

  /** Is there at once, unless the reader has taken over. */
  finish(): void {
    const way = this.#way;
    this.stop();
    if (way && this.#events.temperature() === way.last) this.#events.onTemperature(way.target);
  }

  stop(): void {
    cancelAnimationFrame(this.#frame);
    this.#way = null;
  }
}

/** Starts and ends gently. */
function ease(x: number): number {
  return x * x * (3 - 2 * x);
}
