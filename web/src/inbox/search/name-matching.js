/**
 * Matches names as the server does, from the first search on. It is loaded with the search.
 */
import { isFound, parseQuery } from '../view/folding.js';
import { findBy } from '../view/conversations.js';

findBy((query) => {
  const wanted = parseQuery(query);
  // A punctuation mark alone is not the beginning of a name.
  return (name) => wanted.length > 0 && isFound(name, wanted);
});
