// Text as the server compares it: Unicode's NFKC_Casefold, and words of letters, marks and digits.

// Where a character is not assigned nobody can know that.
const ignorable = /(?!\p{Cn})\p{Default_Ignorable_Code_Point}/u;
const wordCharacter = /[\p{L}\p{M}\p{N}]/u;
const words = /[\p{L}\p{M}\p{N}]+/gu;
const asciiMax = 0x7f;

// Full case folding of one character, which JavaScript has by another name: the lower case of its upper case. Not so a
// dotless i, which folds to itself, and Cherokee, whose letters fold to the upper case.
function caseFolded(character: string): string {
  const code = character.codePointAt(0)!;
  if (code === 0x131) return character;
  if (code >= 0x13a0 && code <= 0x13f5) return character;
  if ((code >= 0xab70 && code <= 0xabbf) || (code >= 0x13f8 && code <= 0x13fd))
    return character.toUpperCase();
  // Letter by letter: at the end of a word a sigma would become a final one.
  return Array.from(character.toUpperCase(), (one) => one.toLowerCase()).join('');
}

const foldings = new Map<string, string>();
const foldingsMax = 20_000;

function foldedCharacter(character: string): string {
  const known = foldings.get(character);
  if (known !== undefined) return known;
  let folded = character;
  if (ignorable.test(character)) folded = '';
  else {
    for (const next of [caseFolded(character), character.normalize('NFKD')]) {
      if (next === character) continue;
      folded = Array.from(next, foldedCharacter).join('');
      break;
    }
  }
  if (foldings.size >= foldingsMax) foldings.clear();
  foldings.set(character, folded);
  return folded;
}

export function fold(text: string): string {
  let ascii = true;
  for (let i = 0; i < text.length && ascii; i++) ascii = text.charCodeAt(i) <= asciiMax;
  if (ascii) return text.toLowerCase();
  return Array.from(text, foldedCharacter).join('').normalize('NFC');
}

export const wordsOf = (folded: string): string[] => folded.match(words) ?? [];

function characterBefore(text: string, at: number): string {
  const low = text.charCodeAt(at - 1);
  return low >= 0xdc00 && low <= 0xdfff && at > 1 ? text.slice(at - 2, at) : text[at - 1]!;
}

function isInsideWord(folded: string, at: number): boolean {
  if (at === 0 || at >= folded.length) return false;
  return (
    wordCharacter.test(characterBefore(folded, at)) &&
    wordCharacter.test(String.fromCodePoint(folded.codePointAt(at)!))
  );
}

/** One word or a phrase, from word border to word border; `isBeginning`: it may end within a word. */
export function hasSought(folded: string, sought: string, isBeginning: boolean): boolean {
  for (let at = folded.indexOf(sought); at >= 0; at = folded.indexOf(sought, at + 1)) {
    const end = at + sought.length;
    if (!isInsideWord(folded, at) && (isBeginning || !isInsideWord(folded, end))) return true;
  }
  return false;
}

/** Several words, one directly behind the other. */
export function hasWords(
  folded: string,
  wanted: readonly string[],
  lastIsBeginning: boolean,
): boolean {
  if (!folded.includes(wanted[0]!)) return false;
  const last = wanted.length - 1;
  const borders = bordersOf(wanted);
  // Of the words before the last so many have just been seen. No word of the text is read twice, whatever it resembles.
  let seen = 0;
  for (const word of wordsOf(folded)) {
    if (seen === last) {
      const end = wanted[last]!;
      if (lastIsBeginning ? word.startsWith(end) : word === end) return true;
    }
    while (seen > 0 && (seen === last || word !== wanted[seen])) seen = borders[seen - 1]!;
    if (word === wanted[seen]) seen++;
  }
  return false;
}

// How long the longest end of each beginning is that the whole begins with too.
function bordersOf(words: readonly string[]): number[] {
  const borders = [0];
  let border = 0;
  for (let i = 1; i < words.length; i++) {
    while (border > 0 && words[i] !== words[border]) border = borders[border - 1]!;
    if (words[i] === words[border]) border++;
    borders.push(border);
  }
  return borders;
}
