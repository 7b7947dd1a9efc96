/** Floats kept per query row, as the package rounds them. */
export function budgetFloats(budget: number, tokens: number): number {
  return Math.max(1, Math.floor(budget * tokens));
}
