/** In px; the letters are pressed into these cells, whatever font there is. */
const cell = { width: 7.8, height: 18 };
const margin = 16;

const colours = { prompt: "#7ee787", trouble: "#f2cc60", text: "#e6edf3", ground: "#0d1117" };

const escaped = (text: string) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

const colourOf = (line: string) =>
  line.startsWith("$ ") ? colours.prompt : line.startsWith("! ") ? colours.trouble : colours.text;

/** What a terminal shows of a command, as an SVG picture. */
export function terminalPicture(command: string, output: string): string {
  const lines = [`$ ${command}`, ...output.trimEnd().split("\n")];
  const width = Math.ceil(2 * margin + cell.width * Math.max(...lines.map(({ length }) => length)));
  const height = 2 * margin + cell.height * lines.length;
  const texts = lines.map((line, row) => {
    const y = margin + cell.height * row + 13;
    const fit = `textLength="${(cell.width * line.length).toFixed(1)}" lengthAdjust="spacingAndGlyphs"`;
    return line === "" ? "" : `<text x="${margin}" y="${y}" fill="${colourOf(line)}" ${fit}>${escaped(line)}</text>\n`;
  });
  const font = 'font-family="ui-monospace, Menlo, Consolas, monospace" font-size="13" xml:space="preserve"';
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" ${font}>
<title>${escaped(command)}</title>
<rect width="100%" height="100%" rx="8" fill="${colours.ground}"/>
${texts.join("")}</svg>
`;
}

/** What a picture shows, line by line, without the command. */
export const shownIn = (picture: string): readonly string[] =>
  [...picture.matchAll(/<text [^>]*>(.*)<\/text>/g)]
    .slice(1)
    .map(([, text = ""]) => text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&"));
