/**
 * Starting conversations, and the view of the group dialog.
 *
 * @import {Client} from '../../sdk/client.js'
 * @import {GroupView} from '../dialogs/group.js'
 */
import { dotOf } from '../view/presence.js';
import { whenLoaded } from '../ui/lazy-load.js';
import { latestUser } from '../view/users.js';
import { say } from '../view/strings.js';
import { avatarUsers } from '../view/conversations.js';

/** Lets the user choose whom to write to. @param {HTMLElement} host @param {Client} client
 * @param {(id: number) => void} opened */
export function startConversation(host, client, opened) {
  void whenLoaded(host, import('../dialogs/new-conversation.js'), ({ hintOf, openUserPicker: openPicker, startLabel: startWords }) => openPicker(host, {
    title: say.newConversation,
    people: (query) => client.findUsers(query),
    without: new Set([client.user]),
    groups: true,
    hint: hintOf(client.limits),
    action: startWords,
    done: async (users, title) => {
      const ids = users.map((one) => one.id);
      const { id } = await client.openConversation(title === null ? { user: ids[0] } : { group: { title, users: ids } });
      opened(id);
    },
  }));
}

/** @param {Client} client @param {number} id @returns {GroupView|null} */
export function groupView({ state, ephemeral }, id) {
  const conversation = state.conversations.get(id);
  if (!conversation) return null;
  return {
    conversation,
    faces: avatarUsers(state, conversation),
    known: (user) => latestUser(state, user),
    dot: (user) => dotOf(ephemeral.presence(user)),
  };
}
