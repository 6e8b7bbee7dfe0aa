// Numbers as they are shown.

// Made once: toLocaleString looks its language up each time, for thirty rows ten times a second.
const grouped = new Intl.NumberFormat('en-US');

export const thousands = (value: number): string => grouped.format(value);

export const plural = (count: number, word: string, words = `${word}s`): string =>
  `${thousands(count)} ${count === 1 ? word : words}`;
