/** In the order of the table. */
export const CHOICES = ["support", "best", "random"] as const;
export type Choice = (typeof CHOICES)[number];

export interface CoverageData {
  tokens: number;
  /** Entries of the support per query, mean. */
  entries: number;
  /** One share of the exact mass a query, ascending for each choice by itself. */
  shares: Record<Choice, number[]>;
}
