import { formatCount } from "../lib/format.ts";
import { type State, tokensOf } from "../lib/state.ts";

/** All entries of more tokens at once would take hundreds of megabytes. */
const MOST_TOKENS = 2048;

/** Why a figure that needs the dense matrices is not there for a large head. */
export function tooLarge(state: State): string | null {
  const tokens = tokensOf(state);
  if (tokens <= MOST_TOKENS) return null;
  return (
    `This needs all ${formatCount(tokens ** 2)} entries of the matrices at once, which do not fit. ` +
    `Choose a head of at most ${formatCount(MOST_TOKENS)} tokens.`
  );
}
