export interface Place {
  x: number;
  y: number;
}

/** The power law factor · x^exponent through points, by least squares of the logarithms; null for fewer than two. */
export function powerLaw(points: readonly Place[]): { factor: number; exponent: number } | null {
  const logs = points
    .map(({ x, y }) => ({ x: Math.log(x), y: Math.log(y) }))
    .filter(({ x, y }) => Number.isFinite(x) && Number.isFinite(y));
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const middle = { x: mean(logs.map(({ x }) => x)), y: mean(logs.map(({ y }) => y)) };
  const spread = logs.reduce((sum, { x }) => sum + (x - middle.x) ** 2, 0);
  if (!(spread > 0)) return null;
  const exponent = logs.reduce((sum, { x, y }) => sum + (x - middle.x) * (y - middle.y), 0) / spread;
  return { exponent, factor: Math.exp(middle.y - exponent * middle.x) };
}

/** NaN of nothing; the mean of the middle two of an even number. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  const upper = sorted[half] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[half - 1] ?? Number.NaN) + upper) / 2;
}
