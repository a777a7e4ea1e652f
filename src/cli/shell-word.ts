/** A word of a command that is proposed, so that a shell reads it as it is. What a shell leaves alone stays as people write it. */
export const shellWord = (word: string): string => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);
