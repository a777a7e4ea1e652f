/**
 * The first `count` characters. They are counted as the contract's field rules count them, in code points; JavaScript counts UTF-16
 * units, and would cut a pair of them in two.
 */
export function firstCharacters(text: string, count: number): string {
  // There are never more characters than units.
  if (text.length <= count) return text;
  let end = 0;
  for (let counted = 0; counted < count && end < text.length; counted += 1) {
    end += (text.codePointAt(end) ?? 0) > 0xffff ? 2 : 1;
  }
  return text.slice(0, end);
}

export function hasMoreCharacters(text: string, count: number): boolean {
  return firstCharacters(text, count).length < text.length;
}
