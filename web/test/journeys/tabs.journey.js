/**
 * Two pages of one user, a browser that is killed, and a network that fails.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openBothThroughProxy } from './support/file-steps.js';
import { Profile } from './support/browser.js';
import { ITEM } from './support/fixtures.js';
import { runJourney } from './support/journey.js';
import { UserPage } from './support/user-page.js';
import { until } from './support/wait.js';

/** @param {UserPage} person */
const field = ({ page }) => page.getByRole('textbox', { name: 'Message', exact: true });

/** Opens another page of the same user, at the same URL. @param {UserPage} person */
async function openSecondPage(person) {
  const page = await person.context.newPage();
  await page.goto(person.page.url());
  await page.locator('parlor-message-group').first().waitFor();
  return new UserPage(person.context, page);
}

test('with two pages of one user, a sent draft disappears from the other page, and no text is lost', () =>
  runJourney(async (place) => {
    const { ada, ben } = await openBothThroughProxy(place);
    await field(ada).fill('Half a thought');
    const other = await openSecondPage(ada);
    assert.equal(await field(other).inputValue(), 'Half a thought');
    await field(ada).fill('Half a thought, now whole');
    await field(ada).press('Enter');
    await ben.bubble('Half a thought, now whole').waitFor();
    await until(() => field(other).inputValue(), (text) => text === '', 'the other field is empty');
    // Both write; neither loses anything, whichever page sends.
    await field(ada).fill('From the one');
    await field(other).fill('From the other');
    await field(ada).fill('From the one, and more');
    assert.equal(await field(other).inputValue(), 'From the other');
    await field(other).press('Enter');
    await ben.bubble('From the other').waitFor();
    assert.equal(await field(ada).inputValue(), 'From the one, and more');
    await field(other).fill('Left behind');
    await other.page.close();
    await ada.page.reload();
    await ada.page.locator('parlor-message-group').first().waitFor();
    assert.equal(await field(ada).inputValue(), 'From the one, and more');
    await field(ada).press('Enter');
    await ben.bubble('From the one, and more').waitFor();
    await ada.page.reload();
    await until(() => field(ada).inputValue(), (text) => text === 'Left behind', 'the closed page’s draft comes back');
    assert.deepEqual([...ada.errors, ...other.errors, ...ben.errors], []);
  }));

test('the pending messages of a closed tab are sent by the remaining one, in order', () =>
  runJourney(async (place) => {
    const { ada, ben } = await openBothThroughProxy(place);
    const other = await openSecondPage(ada);
    await ada.context.setOffline(true);
    await other.send('Kept by a tab that is closed');
    await other.page.locator('.meta.sending').getByText('Saved, sent when you are back').waitFor();
    await other.page.close();
    await ada.context.setOffline(false);
    await ben.bubble('Kept by a tab that is closed').waitFor();
    await ada.send('And this after it');
    await ben.bubble('And this after it').waitFor();
    for (const person of [ada, ben]) {
      assert.equal(await person.bubble('Kept by a tab that is closed').count(), 1);
      assert.deepEqual((await person.texts()).slice(-2), ['Kept by a tab that is closed', 'And this after it']);
    }
    assert.deepEqual([...ada.errors, ...other.errors, ...ben.errors], []);
  }));

test('a message that is shown as saved survives a killed browser and is sent once', () =>
  runJourney(async ({ server, proxy, browser }) => {
    const ben = await UserPage.open(browser, server.links.ben);
    const profile = new Profile();
    try {
      // The session cookie reaches the disk when the browser exits normally.
      const first = await profile.person();
      await first.page.goto(proxy.link(server.links.ada));
      await first.page.locator('parlor-row').first().waitFor();
      const home = new URL(first.page.url()).origin;
      await profile.close();

      const ada = await profile.person();
      await ada.page.goto(home);
      await ada.openConversation(ITEM);
      const place = ada.page.url();
      proxy.setState('closed');
      await ada.send('Written just before the end');
      await ada.page.locator('.meta.sending').getByText(/Sending|Saved, sent when you are back/u).waitFor();
      await profile.kill();

      proxy.setState('open');
      const again = await profile.person();
      await again.page.goto(place);
      await again.bubble('Written just before the end').waitFor();
      await ben.openConversation(ITEM);
      await ben.bubble('Written just before the end').first().waitFor();
      await again.send('And this after it');
      await ben.bubble('And this after it').waitFor();
      assert.equal(await ben.bubble('Written just before the end').count(), 1);
      assert.equal(await again.bubble('Written just before the end').count(), 1);
    } finally {
      await profile.end();
    }
  }));

test('the page says after five seconds that it is offline, in the same words at the message, and recovers at once', () =>
  runJourney(async (place) => {
    const { ada, ben } = await openBothThroughProxy(place);
    const banner = ada.page.locator('parlor-banner');
    await ada.page.evaluate(() => {
      window.addEventListener('offline', () => { document.body.dataset.offlineAt = String(performance.now()); });
      new MutationObserver((_, observer) => {
        if (!document.querySelector('parlor-banner')?.textContent?.includes('No connection')) return;
        document.body.dataset.saidAt = String(performance.now());
        observer.disconnect();
      }).observe(document.body, { subtree: true, childList: true, characterData: true });
    });
    await ada.context.setOffline(true);
    await ada.send('Into the void');
    await banner.getByText('Your messages are saved, and sent when you are back').waitFor();
    await ada.page.locator('.meta.sending').getByText('Saved, sent when you are back').waitFor();
    assert.equal(await ada.page.locator('.meta.warn').count(), 0);
    const after = await ada.page.evaluate(() =>
      Number(document.body.dataset.saidAt) - Number(document.body.dataset.offlineAt));
    assert.ok(after > 4_900, `a short outage is not announced: ${after} ms`);
    await ada.checkAccessibility('without a network');
    await banner.getByRole('button', { name: 'Try now' }).focus();
    await ada.context.setOffline(false);
    await banner.getByText('Connected again').waitFor();
    assert.equal(await ada.page.evaluate(() => document.activeElement?.tagName), 'TEXTAREA', 'the focus is not lost');
    await ben.bubble('Into the void').waitFor();
    assert.equal(await ben.bubble('Into the void').count(), 1);
    assert.deepEqual([...ada.errors, ...ben.errors], []);
  }));
