/** Gives each text a short name, the same each time. */
export function names(prefix: string): (text: string) => string {
  const known = new Map<string, string>();
  return (text) => {
    const name = known.get(text) ?? `${prefix}${known.size + 1}`;
    known.set(text, name);
    return name;
  };
}
