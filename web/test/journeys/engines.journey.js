/**
 * The core story in Firefox; the other journeys are in Chromium.
 */
import { test } from 'node:test';
import { Firefox } from '../layout/firefox.js';
import { tellCoreStory } from './support/core-story.js';
import { runJourney } from './support/journey.js';

test('in Firefox a user writes, replies, reacts, orders the list, searches, loses the connection and signs out', () =>
  runJourney(async (place) => {
    const firefox = await Firefox.open();
    try {
      await tellCoreStory(place, 'Firefox', firefox);
    } finally {
      await firefox.close();
    }
  }));
