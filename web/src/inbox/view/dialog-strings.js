/**
 * The texts of what is loaded on first use: dialogs, settings, search, sign-in. See `strings.js`.
 */
import { englishDialogs } from '../languages/english-dialogs.js';
import { dialogTexts } from './strings.js';

/** The current texts. */
export const dialogSay = dialogTexts(englishDialogs);
