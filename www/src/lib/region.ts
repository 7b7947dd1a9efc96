/** A square part of the matrix, in whole entries: so many queries and keys from the first ones on. */
export interface Region {
  query: number;
  key: number;
  size: number;
}

/** A map of fewer entries a side says nothing more. */
export const LEAST_SIZE = 8;

export function wholeRegion(tokens: number): Region {
  return { query: 0, key: 0, size: tokens };
}

/** The nearest region that lies in a matrix of `tokens` a side; null stands for the whole matrix. */
export function clampRegion(region: Region | null, tokens: number): Region {
  if (!region) return wholeRegion(tokens);
  const size = Math.min(tokens, Math.max(LEAST_SIZE, region.size));
  return { query: inside(region.query, size, tokens), key: inside(region.key, size, tokens), size };
}

export function isWhole({ size }: Region, tokens: number): boolean {
  return size >= tokens;
}

/** `factor` below 1 goes nearer. What lies at (x, y), each 0 to 1 over the map, stays there. */
export function zoomAt(region: Region, factor: number, x: number, y: number, tokens: number): Region {
  const size = Math.round(Math.min(tokens, Math.max(LEAST_SIZE, region.size * factor)));
  return clampRegion(
    {
      query: Math.round(region.query + y * (region.size - size)),
      key: Math.round(region.key + x * (region.size - size)),
      size,
    },
    tokens,
  );
}

/** Moves what is seen by a share of the map, as a drag does: to the right and down shows smaller keys and queries. */
export function pan(region: Region, right: number, down: number, tokens: number): Region {
  const { query, key, size } = region;
  return clampRegion(
    { query: Math.round(query - down * size), key: Math.round(key - right * size), size },
    tokens,
  );
}

/** The least move that brings a cell into view. */
export function follow(region: Region, cell: { query: number; key: number }, tokens: number): Region {
  const along = (first: number, index: number) => Math.min(index, Math.max(first, index - region.size + 1));
  return clampRegion(
    { ...region, query: along(region.query, cell.query), key: along(region.key, cell.key) },
    tokens,
  );
}

function inside(first: number, size: number, tokens: number): number {
  return Math.min(tokens - size, Math.max(0, first));
}
