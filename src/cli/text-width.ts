/** What takes two columns: East Asian wide and fullwidth characters (Unicode Standard Annex #11), and emoji. */
const wide =
  /[\u1100-\u115f\u2329\u232a\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe10-\ufe19\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{16fe0}-\u{18dff}\u{1aff0}-\u{1b2ff}\u{1f200}-\u{1f265}\u{20000}-\u{3fffd}[\p{Emoji_Presentation}--\p{Regional_Indicator}]]/v;

/** What is put onto the character before it: marks, the later parts of a Korean syllable, colours of skin, joiners. */
const added = /[\p{Mn}\p{Me}\p{Emoji_Modifier}\u1160-\u11ff\ud7b0-\ud7ff\u200c\u200d]/v;

const ascii = /^[\x20-\x7e]*$/;

/** How many columns a line takes in a terminal. Linear in its length. */
export function textWidth(line: string): number {
  if (ascii.test(line)) return line.length;
  let width = 0;
  let isJoined = false;
  for (const character of line) {
    if (!isJoined && !added.test(character)) width += wide.test(character) ? 2 : 1;
    isJoined = character === "\u200d";
  }
  return width;
}

export const padToWidth = (line: string, width: number): string => line + " ".repeat(Math.max(0, width - textWidth(line)));
