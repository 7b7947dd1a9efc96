import { formatCount, formatNumber } from "./format.ts";
import { sameQuestion } from "./pin.ts";
import type { Question } from "./request.ts";
import type { Summary } from "./results.ts";

/** One side of a comparison: settings, and what came of them. */
export interface Side {
  question: Question;
  summary: Summary;
}

/** Errors that differ by less than this share are called equal: another seed moves them by more. */
const NOISE = 0.005;

/** What the numbers of A and B say to each other, in a few words. */
export function compareErrors(a: Side, b: Side): string {
  return sameQuestion(a.question, b.question) ? "A and B have the same settings so far." : `${errors(a, b)}.`;
}

/** The same with all that must be known to judge it. */
export function compareInWords(a: Side, b: Side): string {
  if (sameQuestion(a.question, b.question)) return `${compareErrors(a, b)} Change one, and see what it does.`;
  const sentences = [`${errors(a, b)}${budgets(a, b)}.`];
  if (a.question.temperature !== b.question.temperature) {
    sentences.push("At different temperatures they estimate different matrices.");
  }
  const over = overBudget({ A: a.summary, B: b.summary });
  if (over) sentences.push(over);
  return sentences.join(" ");
}

function errors({ summary: a }: Side, { summary: b }: Side): string {
  const [ours, theirs] = [a.errors.scatterbrain, b.errors.scatterbrain];
  if (!(Number.isFinite(ours) && Number.isFinite(theirs))) return "The errors of A and B cannot be compared";
  const [small, large] = [Math.min(ours, theirs), Math.max(ours, theirs)];
  if (large - small <= NOISE * large) return "A and B have the same error";
  const [worse, better] = theirs > ours ? ["B", "A"] : ["A", "B"];
  if (small === 0) return `${better} has no error, ${worse} has ${formatNumber(large)}`;
  return `${worse} has ${ratio(large / small)} times the error of ${better}`;
}

function budgets({ summary: a }: Side, { summary: b }: Side): string {
  if (a.budgetFloats === b.budgetFloats) return "";
  return `, with ${formatCount(a.budgetFloats)} floats per query in A and ${formatCount(b.budgetFloats)} in B`;
}

/** A feature map of a size of its own may be larger than its budget. */
function overBudget(sides: Record<string, Summary>): string {
  const over = Object.keys(sides).filter((name) => {
    const { features, budgetFloats } = sides[name] as Summary;
    return features > budgetFloats;
  });
  return over.length ? `The features of ${over.join(" and of ")} take more than the budget.` : "";
}

/** Two digits say enough, but "1.0 times" says the wrong thing. */
function ratio(value: number): string {
  return formatNumber(value, value < 1.1 ? 3 : 2);
}
