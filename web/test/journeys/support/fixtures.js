/**
 * Values that several journeys share.
 *
 * @import {BrowserContextOptions} from 'playwright-core'
 */

/** The title of the demo's first conversation. */
export const ITEM = 'Black umbrella';
/** @type {BrowserContextOptions} */
export const PHONE = { viewport: { width: 390, height: 800 }, hasTouch: true, isMobile: true };
export const MB = 1024 * 1024;
/** A petrol square of eight by eight pixels. */
export const PICTURE = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAEUlEQVR4nGMQTszGihiGlgQAswM3wZXH'
  + 'WwAAAAAASUVORK5CYII=', 'base64');
