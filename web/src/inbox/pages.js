/**
 * The pages that stand in place of a thread: the settings and the reports. Each is loaded when it is first shown.
 *
 * @import {Client} from '../sdk/client.js'
 * @import {ParlorReports} from './reports.js'
 * @import {ParlorSettings} from './settings.js'
 * @import {Route} from './route.js'
 */
import { whenLoaded } from './ui/lazy-load.js';

export class Pages {
  /** @type {ParlorSettings|null} */
  #settings = null;
  /** @type {ParlorReports|null} */
  #reports = null;

  /** @param {{host: HTMLElement, client: Client, route: () => Route, changed: () => void}} parts `changed`: the page of
   * the route is there */
  constructor({ host, client, route, changed }) {
    this.host = host;
    this.client = client;
    this.route = route;
    this.changed = changed;
  }

  /** The page of the route; null before it has been loaded. @returns {HTMLElement|null} */
  get current() {
    const { at } = this.route();
    return at === 'settings' ? this.#settings : at === 'reports' ? this.#reports : null;
  }

  /** Shows the page of the route, if it has one. @param {boolean} focus */
  show(focus) {
    const { at } = this.route();
    if (at === 'settings') {
      void whenLoaded(this.host, import('./settings.js'), () => {
        this.#settings ??= /** @type {ParlorSettings} */ (document.createElement('parlor-settings'));
        if (this.#isAt(at)) this.#settings.show(this.client);
        this.#shown(at, this.#settings, focus);
      });
    } else if (at === 'reports') {
      void whenLoaded(this.host, import('./reports.js'), () => {
        this.#reports ??= /** @type {ParlorReports} */ (document.createElement('parlor-reports'));
        const route = this.route();
        if (route.at === 'reports') this.#reports.show(this.client, route.report);
        this.#shown(at, this.#reports, focus);
      });
    }
  }

  /** @param {Route['at']} at @returns {boolean} whether it is still to be shown */
  #isAt(at) {
    return this.route().at === at && this.host.isConnected;
  }

  /** @param {Route['at']} at @param {ParlorSettings|ParlorReports} page @param {boolean} focus */
  #shown(at, page, focus) {
    if (!this.#isAt(at)) return;
    this.changed();
    if (focus) page.focusHead();
  }

  /** Updates the page of the route. */
  update() {
    const { at } = this.route();
    if (at === 'settings') this.#settings?.update(this.client.state.me);
    else if (at === 'reports') this.#reports?.update();
  }

  /** @param {unknown} error */
  signOutFailed(error) {
    this.#settings?.signOutFailed(error);
  }
}
