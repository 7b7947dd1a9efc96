import type { Theme } from "../lib/colour.ts";
import type { Question } from "../lib/request.ts";
import type { Cell, State } from "../lib/state.ts";
import type { Table } from "../lib/table.ts";
import type { Instance } from "../worker/analyse.ts";
import type { HeadSource } from "../worker/protocol.ts";
import type { BudgetData } from "./budget/data.ts";
import type { CoverageData } from "./coverage/data.ts";
import type { HeadsData } from "./heads/data.ts";
import type { RobustPcaData } from "./robust-pca/data.ts";
import type { ScalingData } from "./scaling/data.ts";
import type { SeedsData } from "./seeds/data.ts";
import type { SpectrumData } from "./spectrum/data.ts";

/**
 * The figures below the maps. Each has a folder: `data.ts` is what it shows, `compute.ts` finds it in the worker, and
 * `view.ts` draws it on the page.
 */
export interface FigureData {
  budget: BudgetData;
  spectrum: SpectrumData;
  coverage: CoverageData;
  "robust-pca": RobustPcaData;
  heads: HeadsData;
  scaling: ScalingData;
  seeds: SeedsData;
}

export type FigureId = keyof FigureData;

/** What the worker is told. */
export interface FigureRequest {
  source: HeadSource;
  question: Question;
  /** Every captured head of about a thousand tokens, for figures of them all. */
  captured: { preset: string; source: HeadSource }[];
  /** The cell cursor, for figures of one query. */
  cell: Cell | null;
}

/** What a computation in the worker has at hand. */
export interface Bench extends FigureRequest {
  sb: Instance;
  /** Ended by the reader. */
  signal: AbortSignal;
  /**
   * Runs `work` while no picture is wanted, and once more if one came in between: for pieces of up to a second. Longer
   * ones take `signal` instead, and share the thread with pictures.
   */
  step<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T>;
}

/**
 * Tells of everything found so far, or null if nothing came to it, and the share done. To wait for it lets other calls
 * and a cancellation in.
 */
export type Update<Data> = (data: Data | null, fraction: number) => Promise<void>;

export type Compute<Data> = (bench: Bench, update: Update<Data>) => Promise<void>;

/** A line of the legend: a piece of a line, or a mark. */
export interface LegendItem {
  label: string;
  colour: string;
  dash?: string;
  /** Of the line. */
  width?: number;
  symbol?: "circle" | "triangle" | "diamond";
}

export interface Drawing {
  /** Below each other. */
  charts: Element[];
  legend: readonly LegendItem[];
}

/** A figure as the page sees it. */
export interface Figure<Id extends FigureId> {
  id: Id;
  title: string;
  /** What is drawn, what to look for, and how long it takes if that is more than seconds. */
  about: string;
  /** What it depends on: with another key, what is drawn belongs to other settings. */
  key(state: State): string;
  /** Why there is none for this state, in a sentence. */
  reason?(state: State): string | null;
  draw(data: FigureData[Id], width: number, theme: Theme): Drawing;
  /** What can be read from it, in a sentence or two, for everyone and for those who cannot see it. */
  finding(data: FigureData[Id]): string;
  table(data: FigureData[Id]): Table;
  /** What goes into a file of its numbers, if not all of the data. */
  numbers?(data: FigureData[Id]): object;
}
