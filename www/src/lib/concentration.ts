/** The least number of entries whose magnitudes make up a share of the sum of all. */
export function fewest(values: Float32Array, share: number): number {
  const ascending = values.map(Math.abs).sort();
  let sum = 0;
  for (const magnitude of ascending) sum += magnitude;
  let left = (1 - share) * sum;
  // From the smallest on: as many as may be left out.
  const kept = ascending.findIndex((magnitude) => {
    left -= magnitude;
    return left < 0;
  });
  return kept < 0 ? 0 : ascending.length - kept;
}
