/**
 * Names are found as the server finds them, from the first search on: what that takes is loaded with the search.
 */
import { asked, isFound } from '../view/folding.js';
import { findBy } from '../view/conversations.js';

findBy((query) => {
  const wanted = asked(query);
  // A sign alone is not the beginning of a name.
  return (name) => wanted.length > 0 && isFound(name, wanted);
});
