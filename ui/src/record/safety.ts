// Events are written by strangers. What a text could do to the eye of a reader is found here, so that it is shown as
// what it is: marks instead of invisible characters, a warning where letters of two scripts make one word.

export interface TextPart {
  readonly text: string;
  /** The name of a character that is not shown as itself, e.g. "U+202E right-to-left override". */
  readonly mark?: string;
  /** How many of it stand here one after the other, if more than one. */
  readonly times?: number;
}

const named: Readonly<Record<number, string>> = {
  0x061c: 'Arabic letter mark',
  0x200b: 'zero width space',
  0x200c: 'zero width non-joiner',
  0x200d: 'zero width joiner',
  0x200e: 'left-to-right mark',
  0x200f: 'right-to-left mark',
  0x202a: 'left-to-right embedding',
  0x202b: 'right-to-left embedding',
  0x202c: 'pop directional formatting',
  0x202d: 'left-to-right override',
  0x202e: 'right-to-left override',
  0x2060: 'word joiner',
  0x2066: 'left-to-right isolate',
  0x2067: 'right-to-left isolate',
  0x2068: 'first strong isolate',
  0x2069: 'pop directional isolate',
  0xfeff: 'zero width no-break space',
  0x00ad: 'soft hyphen',
  0x2028: 'line separator',
  0x2029: 'paragraph separator',
};

// Format and control characters, separators of lines, private use, tags, and what Unicode lets be ignored.
const hidden =
  /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cs}\p{Cn}\u115f\u1160\u3164\uffa0\ufe00-\ufe0f\u{e0100}-\u{e01ef}]/u;
const hiddenAll = new RegExp(hidden.source, 'gu');
// More than three marks on one letter only serve to paint over the lines above.
const stacked = /(\p{M}{3})\p{M}+/gu;

function nameOf(character: string): string {
  const code = character.codePointAt(0)!;
  const hex = 'U+' + code.toString(16).toUpperCase().padStart(4, '0');
  const own =
    named[code] ??
    (code === 10
      ? 'line feed'
      : code === 9
        ? 'tab'
        : code < 32 || code === 127
          ? 'control character'
          : '');
  return own === '' ? hex : `${hex} ${own}`;
}

/** Cuts a text into parts that can be drawn harmlessly, in order. */
export function safeParts(text: string): TextPart[] {
  if (!hidden.test(text) && !stacked.test(text)) {
    stacked.lastIndex = 0;
    return text === '' ? [] : [{ text }];
  }
  stacked.lastIndex = 0;
  const calm = text.replace(stacked, '$1');
  const parts: TextPart[] = [];
  let at = 0;
  for (const match of calm.matchAll(hiddenAll)) {
    if (match.index > at) parts.push({ text: calm.slice(at, match.index) });
    const code = match[0].codePointAt(0)!;
    const mark = nameOf(match[0]);
    const before = parts[parts.length - 1];
    if (before?.mark === mark && match.index === at) {
      parts[parts.length - 1] = { ...before, times: (before.times ?? 1) + 1 };
    } else {
      const text =
        code < 32 ? String.fromCodePoint(0x2400 + code) : code.toString(16).toUpperCase();
      parts.push({ text, mark });
    }
    at = match.index + match[0].length;
  }
  if (at < calm.length) parts.push({ text: calm.slice(at) });
  return parts;
}

/** The first characters of a text, and never half of one. */
export function firstOf(text: string, charactersMax: number): string {
  if (text.length <= charactersMax) return text;
  const last = text.charCodeAt(charactersMax - 1);
  return text.slice(0, last >= 0xd800 && last < 0xdc00 ? charactersMax - 1 : charactersMax);
}

// The same few names are drawn again and again, thirty rows at a time.
const judged = new Map<string, string | undefined>();
const judgedMax = 4000;

/** What a reader should know about a text before he believes his eyes; undefined when there is nothing. */
export function warning(text: string): string | undefined {
  if (judged.has(text)) return judged.get(text);
  const found = judge(text);
  if (judged.size >= judgedMax) judged.clear();
  if (text.length < 1000) judged.set(text, found);
  return found;
}

function judge(text: string): string | undefined {
  if (hidden.test(text)) return 'holds invisible or direction-changing characters';
  if (stacked.test(text)) {
    stacked.lastIndex = 0;
    return 'holds stacks of combining marks';
  }
  if (/[^\x00-\x7f]/.test(text)) {
    for (const word of text.split(/[^\p{L}\p{M}]+/u)) {
      const scripts = [
        /\p{Script=Latin}/u,
        /\p{Script=Cyrillic}/u,
        /\p{Script=Greek}/u,
        /\p{Script=Armenian}/u,
        /\p{Script=Cherokee}/u,
      ];
      if (scripts.filter((script) => script.test(word)).length > 1)
        return 'mixes letters of several scripts that look alike';
    }
    // A word that is Cyrillic or Greek through and through, but of letters that all look Latin.
    for (const word of text.split(/[^\p{L}]+/u)) {
      if (
        word.length > 1 &&
        /^[аеорсухіјѕһԁԛԝАВЕКМНОРСТУХІЈЅαικνορτυχΑΒΕΖΗΙΚΜΝΟΡΤΥΧ]+$/u.test(word)
      ) {
        return 'looks Latin and is not';
      }
    }
    if (text.normalize('NFKC') !== text && /[\uff01-\uff5e\u{1d400}-\u{1d7ff}]/u.test(text)) {
      return 'uses letter-like symbols';
    }
  }
  return undefined;
}

/** The same as one text without anything hidden in it, for tool tips, which a browser draws as it likes. */
export const plainText = (text: string): string =>
  warning(text) === undefined ? text : partsAsText(text);

const partsAsText = (text: string): string =>
  safeParts(text)
    .map((part) =>
      part.mark === undefined
        ? part.text
        : `[${part.mark.split(' ')[0]}${part.times === undefined ? '' : ` ×${part.times}`}]`,
    )
    .join('');

/** Every hidden character as the escape that JSON has for it, so that it looks like what it is. */
export const escapeHidden = (text: string): string =>
  text.replace(hiddenAll, (found) =>
    found
      .split('')
      .map((unit) => '\\u' + unit.charCodeAt(0).toString(16).padStart(4, '0'))
      .join(''),
  );

export const hasHidden = (text: string): boolean => hidden.test(text);

/** JSON with every hidden character as an escape: means the same. */
export const visibleJson = (text: string): string => escapeHidden(JSON.stringify(text));

/** The longest piece of a value that lists show; and that a record's page shows until it is asked for all. */
export const shownCharactersMax = 240;
export const wholeCharactersMax = 2000;
