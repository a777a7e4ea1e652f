/** A number as it is, without its sign: `over / under`. */
type Fraction = { readonly sign: "-" | ""; readonly over: bigint; readonly under: bigint };

/** A double is a whole number divided by a power of two; to double it is exact. At most 1,074 times, for the smallest one. */
function fractionOf(value: number | bigint): Fraction {
  if (typeof value === "bigint") return { sign: value < 0n ? "-" : "", over: value < 0n ? -value : value, under: 1n };
  let whole = Math.abs(value);
  let halvings = 0n;
  while (!Number.isInteger(whole)) {
    whole *= 2;
    halvings += 1n;
  }
  return { sign: value < 0 || Object.is(value, -0) ? "-" : "", over: BigInt(whole), under: 1n << halvings };
}

/** Exactly as Go and C show it: the value itself is rounded, not its shortest text, and half to even. `2.675` with 2 decimals is `2.67`. */
export function fixed(value: number | bigint, decimals: number): string {
  const fraction = fractionOf(value);
  const digits = scaled(fraction, decimals)
    .toString()
    .padStart(decimals + 1, "0");
  return fraction.sign + pointed(digits, digits.length - decimals);
}

/** The same with one digit before the point, and an exponent of two digits or more: `1.5e-07`. */
export function scientific(value: number | bigint, decimals: number): string {
  const fraction = fractionOf(value);
  const exponent = exponentOf(fraction);
  const digits = scaled(fraction, decimals - exponent)
    .toString()
    .padEnd(decimals + 1, "0");
  // Rounded up to the next power of ten, it has a digit more: a zero.
  const carried = exponent + digits.length - (decimals + 1);
  const power = Math.abs(carried).toString().padStart(2, "0");
  return `${fraction.sign}${pointed(digits.slice(0, decimals + 1), 1)}e${carried < 0 ? "-" : "+"}${power}`;
}

const pointed = (digits: string, at: number): string =>
  at === digits.length ? digits : `${digits.slice(0, at)}.${digits.slice(at)}`;

/** Times a power of ten, and rounded, half to even. */
function scaled({ over, under }: Fraction, power: number): bigint {
  const [above, below] = power < 0 ? [over, under * 10n ** BigInt(-power)] : [over * 10n ** BigInt(power), under];
  const [whole, twice] = [above / below, (above % below) * 2n];
  return twice > below || (twice === below && whole % 2n === 1n) ? whole + 1n : whole;
}

/** The largest power of ten that is not above it. The logarithm of a double is not exact; below 1, no double is itself a power of ten. */
function exponentOf({ over, under }: Fraction): number {
  if (over === 0n) return 0;
  return over < under ? -String(under / over).length : String(over / under).length - 1;
}
