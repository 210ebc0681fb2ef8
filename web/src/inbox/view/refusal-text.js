/**
 * Texts for the refusals of the server.
 */

/** Why a link opens nothing: a title and an explanation. @type {Record<string, [string, string]>} */
export const linkReasons = {
  own_role: ['This is yours', 'The link writes to the person it belongs to, and that is you.'],
  own_link: ['This link leads to you', 'Others can write to you with it.'],
  context_closed: ['This is closed', 'No more messages can be sent about it.'],
  role_vacant: ['There is nobody to write to', 'Nobody is responsible for this at the moment.'],
  not_found: ['This is gone', 'What the link leads to is no longer here, or the link is wrong.'],
  not_allowed: ['You may not write here', 'The rules of this place do not allow it, or what the link leads to is gone.'],
  limit_reached: ['There are too many conversations', 'No more can be opened about this, or with this person.'],
  invalid_field: ['The link is not complete', 'It does not say to whom it leads.'],
};

/** One sentence for each error code. @type {Record<string, string>} */
export const refusals = {
  not_allowed: 'You may not do this.',
  not_found: 'It is no longer here.',
  context_closed: 'It is closed.',
  limit_reached: 'The limit is reached.',
  text_empty: 'It is empty.',
  text_too_long: 'It is too long.',
  too_large: 'It is too large.',
  wrong_origin: 'This page is not allowed to use this server.',
};
