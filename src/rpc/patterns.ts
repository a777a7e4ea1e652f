const compiled = new Map<string, RegExp>();

/** The patterns are the contract's own, so Node's engine serves: the library's default is made for those of strangers, and slow. */
export function patternOf(source: string): RegExp {
  const known = compiled.get(source) ?? new RegExp(source, "u");
  compiled.set(source, known);
  return known;
}
