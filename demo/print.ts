/** As it is, colours and lines included. What others wrote must be `printable` before. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
