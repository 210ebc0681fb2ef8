/** The text of what another application shares. Pure. */

/** Leaves out parts that others contain: many applications put the link into the text, too. @param {string[]} parts
 * @returns {string[]} */
export function distinct(parts) {
  return parts.filter((part, index) => part !== '' && !parts.some((other, at) =>
    at !== index && other.includes(part) && (other !== part || at < index)));
}
