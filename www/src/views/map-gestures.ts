import { isWhole, pan, type Region, zoomAt } from "../lib/region.ts";
import type { Step } from "../lib/store.ts";

export interface GestureEvents {
  view(): { region: Region; tokens: number };
  /** A gesture is one step of the browser's history. */
  onView(region: Region, step: Step): void;
}

interface Place {
  x: number;
  y: number;
}

/** A pointer that moved less than so many pixels has clicked. */
const CLICK_PIXELS = 4;
/** Turns of a wheel that follow each other sooner are one gesture. */
const PAUSE_MS = 500;
/** Zoom of a wheel's pixel, in logarithms; a pinch on a touchpad comes as a wheel with Control, in smaller steps. */
const WHEEL = 0.002;
const PINCH = 0.01;
const LINE_PIXELS = 16;

/**
 * Zooming and panning by wheel, drag and pinch. The page's own scrolling comes first: a wheel zooms a map that has
 * the focus, or any map with Control; one finger moves the page until the maps are zoomed, two fingers zoom.
 */
export class MapGestures {
  readonly #plate: HTMLElement;
  readonly #events: GestureEvents;
  readonly #pointers = new Map<number, Place>();
  /** Where the gesture began: region, middle of the pointers, and their distance (0 for a single one). */
  #start: { region: Region; middle: Place; distance: number } | null = null;
  #moved = false;
  /** Entries a side before rounding: small turns of a wheel add up. */
  #size = 0;
  #lastWheel = Number.NEGATIVE_INFINITY;

  constructor(plate: HTMLElement, events: GestureEvents) {
    this.#plate = plate;
    this.#events = events;
    plate.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    plate.addEventListener("pointerdown", (event) => this.#down(event));
    plate.addEventListener("pointermove", (event) => this.#move(event));
    for (const end of ["pointerup", "pointercancel"] as const) {
      plate.addEventListener(end, (event) => this.#up(event));
    }
    // A second finger is a pinch, and no scrolling.
    const keep = (event: TouchEvent) => {
      if (event.touches.length > 1) event.preventDefault();
    };
    plate.addEventListener("touchstart", keep, { passive: false });
    plate.addEventListener("touchmove", keep, { passive: false });
    // The click that ends a drag picks nothing.
    plate.addEventListener("click", (event) => {
      if (this.#moved) event.stopImmediatePropagation();
      this.#moved = false;
    });
  }

  /** Whether the maps are being moved: the cell under the pointer is of no interest then. */
  get active(): boolean {
    return this.#moved && this.#pointers.size > 0;
  }

  #wheel(event: WheelEvent): void {
    const pinch = event.ctrlKey || event.metaKey;
    if (!pinch && document.activeElement !== this.#plate) return;
    const { region, tokens } = this.#events.view();
    // At the end of the way out, the page scrolls on.
    if (!pinch && event.deltaY > 0 && isWhole(region, tokens)) return;
    event.preventDefault();
    if (Math.round(this.#size) !== region.size) this.#size = region.size;
    const pixels = event.deltaY * (event.deltaMode === WheelEvent.DOM_DELTA_LINE ? LINE_PIXELS : 1);
    this.#size = Math.min(tokens, this.#size * Math.exp(pixels * (event.ctrlKey ? PINCH : WHEEL)));
    const { x, y } = this.#place(event);
    const next = zoomAt(region, this.#size / region.size, x, y, tokens);
    this.#size = Math.max(this.#size, next.size - 0.5);
    const step = event.timeStamp - this.#lastWheel > PAUSE_MS ? "push" : "replace";
    this.#lastWheel = event.timeStamp;
    this.#events.onView(next, step);
  }

  #down(event: PointerEvent): void {
    if (event.button !== 0) return;
    if (this.#pointers.size === 0) this.#moved = false;
    this.#pointers.set(event.pointerId, this.#place(event));
    this.#begin();
  }

  #move(event: PointerEvent): void {
    if (!this.#start || !this.#pointers.has(event.pointerId)) return;
    this.#pointers.set(event.pointerId, this.#place(event));
    const { region, middle, distance } = this.#start;
    const { tokens } = this.#events.view();
    const now = this.#shape();
    const [right, down] = [now.middle.x - middle.x, now.middle.y - middle.y];
    const single = distance === 0;
    if (single && isWhole(region, tokens)) return;
    if (single && !this.#moved && Math.hypot(right, down) * this.#plate.clientWidth < CLICK_PIXELS) return;
    const step = this.#moved ? "replace" : "push";
    if (!this.#moved) {
      this.#moved = true;
      for (const id of this.#pointers.keys()) this.#plate.setPointerCapture(id);
    }
    const zoomed = single
      ? region
      : zoomAt(region, distance / Math.max(now.distance, 1e-3), middle.x, middle.y, tokens);
    this.#events.onView(pan(zoomed, right, down, tokens), step);
  }

  #up(event: PointerEvent): void {
    this.#pointers.delete(event.pointerId);
    // A finger that stays goes on from here.
    if (this.#pointers.size > 0) this.#begin();
    else this.#start = null;
  }

  #begin(): void {
    this.#start = { region: this.#events.view().region, ...this.#shape() };
  }

  #shape(): { middle: Place; distance: number } {
    const [a, b] = [...this.#pointers.values()] as [Place, Place | undefined];
    if (!b) return { middle: a, distance: 0 };
    return {
      middle: { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 },
      distance: Math.hypot(a.x - b.x, a.y - b.y),
    };
  }

  #place(event: MouseEvent): Place {
    const box = this.#plate.getBoundingClientRect();
    return { x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height };
  }
}
