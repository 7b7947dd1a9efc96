import type { Grid } from "./aggregate.ts";
import type { MapFormat } from "./export.ts";
import type { Region } from "./region.ts";
import type { MethodName } from "./request.ts";
import type { Maps } from "./scale.ts";
import type { Cell } from "./state.ts";
import { measure, type Stats } from "./stats.ts";

/** What the page wants to see of a head. */
export interface Look {
  /** Device pixels of a side of a map. */
  size: number;
  /** The part that the maps show; null for the whole. */
  view: Region | null;
  /** The cell cursor; null for the place where it starts. */
  cell: Cell | null;
}

/** One head under one question, as far as the page draws it. The matrices stay in the worker, which is asked for more. */
export interface Picture {
  tokens: number;
  causal: boolean;
  /** Exact entries per query row, mean. */
  supportPerRow: number;
  /** Features per query row. */
  features: number;
  instructionSet: string;
  backend: string;
  /** Of the whole matrices. */
  grids: SizedGrids;
  /** Of the part that was asked for, unless that is the whole. */
  view: View | null;
  /** Where the cell cursor is until the reader sets it. */
  start: Cell;
  /** Under the cursor. */
  entry: Entry;
}

/** Grids of the whole matrices for maps of `size` by `size` device pixels, and what the colours need to know. */
export interface SizedGrids extends Maps<Grid> {
  size: number;
  stats: Maps<Stats>;
}

/** Grids of a region for maps of `size` by `size` device pixels. */
export interface View {
  region: Region;
  size: number;
  grids: Maps<Grid>;
}

/** Asks the worker for more of a picture: its matrices are there. */
export interface PictureSource {
  grids(region: Region, size: number, signal: AbortSignal): Promise<View["grids"]>;
  entry(cell: Cell, signal: AbortSignal): Promise<Entry>;
  /** A region of one map as a file, after `start`. */
  write(format: MapFormat, start: string, map: keyof Maps<unknown>, region: Region): Promise<Blob>;
}

export function measureAll(grids: Maps<Grid>): Maps<Stats> {
  return {
    exact: measure(grids.exact),
    lowRank: measure(grids.lowRank),
    sparse: measure(grids.sparse),
    error: measure(grids.error),
  };
}

export interface Timing {
  /** The estimator alone, without the dense matrices of the picture. */
  milliseconds: number;
  exactMilliseconds: number;
}

/** The numbers of one picture. */
export interface Summary {
  tokens: number;
  /** Floats that the budget allows per query row. */
  budgetFloats: number;
  /** Mean over rows, nats. */
  entropy: number;
  /** |O − Ô| / |O| of each method at the same budget. */
  errors: Record<MethodName, number>;
  supportPerRow: number;
  features: number;
  instructionSet: string;
  backend: string;
  /** Null in the poster: another machine's times say nothing. */
  timing: Timing | null;
}

export interface CurvePoint {
  temperature: number;
  entropy: number;
  errors: Record<MethodName, number>;
}

/** The numbers of one cell, and how its entry of the estimate comes about. */
export interface Entry extends Cell {
  /** In the query's future: there is no entry, and the numbers are 0. */
  masked: boolean;
  /** q·k of the head. */
  dot: number;
  /** b q·k, b being scale / temperature. */
  logit: number;
  /** exp(logit) over the sum of its row. */
  exact: number;
  /** φ(q)·φ(k) over the sum of the estimate's row. */
  lowRank: number;
  /** What is added to that: not 0 only on the support. */
  sparse: number;
  /** What the estimate has there: exp(logit) over the estimate's sum on the support, else `lowRank`. */
  approximation: number;
  /** approximation − exact. */
  error: number;
  inSupport: boolean;
}
