/**
 * What the texts of a language are made with: plural forms, lists and numbers, as `Intl` knows them. Pure.
 */

/** The plural categories that each language distinguishes. French and Spanish have `many` for whole millions.
 * @typedef {{
 *   en: 'one'|'other', de: 'one'|'other', es: 'one'|'many'|'other', fr: 'one'|'many'|'other',
 *   ar: 'zero'|'one'|'two'|'few'|'many'|'other', zh: 'other', ja: 'other',
 * }} Categories */

/** A sentence whose names are marked. @typedef {(string|{firm: string})[]} Phrase */

/**
 * @template {keyof Categories} Name
 * @typedef {{
 *   plural: (count: number, forms: Record<Categories[Name], string>) => string,
 *   capped: (count: number, forms: Record<Categories[Name], string>) => string,
 *   number: (value: number) => string,
 *   list: (parts: string[]) => string,
 *   phrase: (texts: TemplateStringsArray, ...parts: (string|Phrase)[]) => Phrase,
 *   some: (names: string[], others: (count: number) => string) => Phrase,
 * }} Tools
 *   `plural` puts the number in place of the first `#`, so a form contains nothing that users wrote; `capped` does so with
 *   `shortCount`. `phrase` marks what is inserted.
 *   `some` lists one or two names, or the first and the number of the others
 */

/** From where on counts of unread messages are not exact. */
const COUNT_MAX = 99;

/** @param {string} locale @returns {Tools<any>} */
export function toolsFor(locale) {
  const rules = new Intl.PluralRules(locale);
  const numbers = new Intl.NumberFormat(locale);
  const lists = new Intl.ListFormat(locale, { type: 'conjunction' });
  const number = (/** @type {number} */ value) => numbers.format(value);
  /** @param {number} count @param {Record<string, string>} forms @param {string} shown */
  const fill = (count, forms, shown) => (forms[rules.select(count)] ?? forms.other).replace('#', () => shown);
  return {
    number,
    plural: (count, forms) => fill(count, forms, number(count)),
    capped: (count, forms) => fill(count, forms, shortCount(count, number)),
    list: (parts) => lists.format(parts),
    phrase: (texts, ...parts) => {
      const made = texts.flatMap((text, at) => [text, ...(at < parts.length ? marked(parts[at]) : [])]);
      return made.filter((part) => part !== '');
    },
    some: (names, others) => {
      if (names.length > 2) return pieces(lists, [names[0], others(names.length - 1)], 1);
      return pieces(lists, names, names.length);
    },
  };
}

/** Returns a count of at most "99+", where the server stops counting. @param {number} count
 * @param {(value: number) => string} number @returns {string} */
export function shortCount(count, number) {
  return count > COUNT_MAX ? `${number(COUNT_MAX)}+` : number(count);
}

/** @param {string|Phrase} part @returns {Phrase} */
function marked(part) {
  return typeof part === 'string' ? [{ firm: part }] : part;
}

/** Lists texts; the first `names` of them are marked. @param {Intl.ListFormat} lists @param {string[]} texts
 * @param {number} names @returns {Phrase} */
function pieces(lists, texts, names) {
  let seen = 0;
  return lists.formatToParts(texts).map(({ type, value }) => {
    if (type === 'literal') return value;
    seen += 1;
    return seen > names ? value : { firm: value };
  });
}
