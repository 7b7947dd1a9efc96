const MINUS = "\u2212";
const SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹";

/** An entry, error or time for reading: `digits` significant digits, powers of ten where zeros would pile up. */
export function formatNumber(value: number, digits = 3): string {
  if (Number.isNaN(value)) return "NaN";
  const sign = value < 0 ? MINUS : "";
  const size = Math.abs(value);
  if (size === Number.POSITIVE_INFINITY) return `${sign}∞`;
  if (size === 0) return "0";
  if (size >= 1e-3 && size < 1e5) return sign + trimExponent(size, digits);
  const [mantissa, exponent] = size.toExponential(digits - 1).split("e") as [string, string];
  return `${sign}${mantissa} × 10${superscript(Number(exponent))}`;
}

/** Plain decimal, never the exponent that `toPrecision` falls into; large whole numbers keep all digits. */
function trimExponent(size: number, digits: number): string {
  const decimals = Math.max(0, digits - 1 - Math.floor(Math.log10(size)));
  return size.toFixed(decimals);
}

export function superscript(exponent: number): string {
  const digits = [...String(Math.abs(exponent))].map((digit) => SUPERSCRIPTS[Number(digit)]);
  return (exponent < 0 ? "⁻" : "") + digits.join("");
}

/** A tick label: as short as the value allows. 0.0001 and above as decimals, below as a power of ten. */
export function formatTick(value: number): string {
  if (value === 0) return "0";
  const sign = value < 0 ? MINUS : "";
  const size = Math.abs(value);
  const exponent = Math.floor(Math.log10(size) + 1e-9);
  if (exponent >= -4 && exponent < 5) return sign + String(Number(size.toPrecision(3)));
  const mantissa = Number((size / 10 ** exponent).toPrecision(2));
  return `${sign}${mantissa === 1 ? "" : `${mantissa}×`}10${superscript(exponent)}`;
}

// Made once: `toLocaleString` makes one each time.
const counts = new Intl.NumberFormat("en-US");

export function formatCount(value: number): string {
  return counts.format(Math.round(value));
}

export function formatPercent(share: number): string {
  const percent = share * 100;
  return `${Number(percent.toPrecision(3))}\u202f%`;
}

export function formatMilliseconds(milliseconds: number): string {
  return milliseconds >= 1000
    ? `${formatNumber(milliseconds / 1000, 3)}\u00a0s`
    : `${formatNumber(milliseconds, milliseconds < 10 ? 2 : 3)}\u00a0ms`;
}

/** In powers of 1,024. */
export function formatBytes(bytes: number): string {
  const unit = Math.min(3, Math.max(0, Math.floor(Math.log2(bytes) / 10 + 1e-9)));
  return `${formatTick(bytes / 1024 ** unit)}\u00a0${["bytes", "KiB", "MiB", "GiB"][unit]}`;
}
