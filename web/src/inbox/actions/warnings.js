/**
 * Shows the warnings that the user has not read above the list; what draws them is loaded with the first one.
 *
 * @import {WarningParts} from './warning-card.js'
 * @import {Warning} from '../../sdk/wire.js'
 */
import { whenLoaded } from '../ui/lazy-load.js';

export class Warnings {
  /** @type {Warning[]|null} */
  #drawn = null;

  /** @param {WarningParts} parts */
  constructor(parts) {
    this.parts = parts;
  }

  check() {
    const { host, client: { state: { warnings } } } = this.parts;
    if (warnings === this.#drawn || (warnings.length === 0 && this.#drawn === null)) return;
    this.#drawn = warnings;
    void whenLoaded(host, import('./warning-card.js'), ({ drawWarnings }) => drawWarnings(this.parts));
  }
}
