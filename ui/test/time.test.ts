// Times in zones: what clocks there show, where days begin, and back.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  clockTimeIn,
  dayTimeIn,
  daysBetween,
  delayText,
  isZone,
  offsetMs,
  tickText,
  timeIn,
  utc,
  zoneWords,
} from '../src/time.ts';

const at = (iso: string): number => Date.parse(iso);

test('clocks of a zone show what they show there, on both sides of a change', () => {
  assert.equal(dayTimeIn(at('2026-03-05T10:00:00.120Z'), utc), '2026-03-05 10:00:00.120');
  const berlin = 'Europe/Berlin';
  assert.equal(dayTimeIn(at('2026-03-29T00:59:59.999Z'), berlin), '2026-03-29 01:59:59.999');
  assert.equal(dayTimeIn(at('2026-03-29T01:00:00Z'), berlin), '2026-03-29 03:00:00.000');
  assert.equal(zoneWords(at('2026-07-01T00:00:00Z'), berlin), '+02:00 Europe/Berlin');
  // Three quarters of an hour, and the other side of the day.
  assert.equal(dayTimeIn(at('2026-01-01T00:00:00Z'), 'Asia/Kathmandu'), '2026-01-01 05:45:00.000');
  assert.equal(
    dayTimeIn(at('2026-01-01T00:00:00Z'), 'America/Los_Angeles'),
    '2025-12-31 16:00:00.000',
  );
  assert.equal(
    zoneWords(at('2026-01-01T00:00:00Z'), 'America/St_Johns'),
    '-03:30 America/St_Johns',
  );
  assert.equal(offsetMs(Number.NaN, berlin), 0);
  assert.equal(dayTimeIn(Number.NaN, berlin), '');
  assert.deepEqual(
    [isZone('Europe/Berlin'), isZone('Mars/Olympus'), isZone('')],
    [true, false, true],
  );
});

test('what is typed as a time of a zone comes back as it, also around its changes', () => {
  for (const zone of [
    '',
    utc,
    'Europe/Berlin',
    'Asia/Kathmandu',
    'America/Los_Angeles',
    'Pacific/Apia',
  ])
    for (let ms = at('2026-03-28T00:00:00Z'); ms < at('2026-03-30T12:00:00Z'); ms += 900_000) {
      const shown = dayTimeIn(ms, zone).slice(0, 19).replace(' ', 'T');
      assert.equal(timeIn(shown, zone), ms, `${zone} ${shown}`);
    }
  // An hour that comes twice is the first of the two; one that is left out is next to where it would be.
  assert.equal(timeIn('2026-10-25T02:30:00', 'Europe/Berlin'), at('2026-10-25T00:30:00Z'));
  assert.ok(
    Math.abs(timeIn('2026-03-29T02:30:00', 'Europe/Berlin') - at('2026-03-29T01:00:00Z')) <=
      1_800_000,
  );
  assert.ok(Number.isNaN(timeIn('', utc)));
});

test('days begin where the clocks of the zone say so, and may be of 23 or 25 hours', () => {
  const days = daysBetween(at('2026-03-27T12:00:00Z'), at('2026-03-31T00:00:00Z'), 'Europe/Berlin');
  assert.deepEqual(
    days.map((day) => new Date(day).toISOString().slice(0, 16)),
    ['2026-03-27T23:00', '2026-03-28T23:00', '2026-03-29T22:00', '2026-03-30T22:00'],
  );
  assert.deepEqual(daysBetween(at('2026-03-27T00:00:00Z'), at('2026-03-27T23:59:00Z'), utc), [
    at('2026-03-27T00:00:00Z'),
  ]);
});

test('far times are what they are in every zone, and what is no time is nothing', () => {
  const zones = ['', utc, 'Europe/Berlin', 'Asia/Kathmandu', 'America/Los_Angeles'];
  const ends = 8.64e15;
  for (const zone of zones)
    for (const iso of [
      '0050-06-01T12:00:00Z',
      '0001-01-02T00:00:00Z',
      '-000049-03-01T12:00:00Z',
      '-000001-06-01T12:00:00Z',
      '+012026-03-05T10:00:00Z',
    ]) {
      const shown = dayTimeIn(at(iso), zone);
      // Clocks before there were zones differ by hours, and not by centuries.
      assert.ok(
        Math.abs(at(`${shown.replace(' ', 'T')}Z`) - at(iso)) < 86_400_000,
        `${zone} ${iso} ${shown}`,
      );
    }
  assert.equal(
    dayTimeIn(at('+012026-03-05T10:00:00Z'), 'Asia/Tokyo'),
    '+012026-03-05 19:00:00.000',
  );
  assert.equal(clockTimeIn(at('+012026-03-05T10:00:00Z'), utc), '10:00:00.000');
  assert.equal(tickText(at('+012026-03-05T10:00:00Z'), 86_400, utc), '03-05');
  for (const zone of [...zones, 'Pacific/Kiritimati'])
    for (const ms of [ends, -ends, ends - 1, 1 - ends, ends + 1, Infinity, Number.NaN]) {
      assert.equal(typeof dayTimeIn(ms, zone), 'string');
      assert.equal(typeof zoneWords(ms, zone), 'string');
      assert.equal(typeof tickText(ms, 60, zone), 'string');
    }
  assert.equal(dayTimeIn(ends + 1, utc), '');
  assert.equal(dayTimeIn(ends, 'Asia/Tokyo'), '');
  assert.equal(
    daysBetween(at('+012026-03-05T00:00:00Z'), at('+012026-03-07T00:00:00Z'), utc).length,
    3,
  );
  assert.ok(daysBetween(ends - 86_400_000, ends, 'America/Los_Angeles').length <= 2);
});

test('how long after it happened it came', () => {
  assert.equal(delayText(undefined, 5), '');
  assert.equal(delayText(1000, 1120), '120 ms');
  assert.equal(delayText(4000, 1000), '−3.0 s');
  assert.equal(delayText(1000.4, 1000), '0 ms');
});

test('a tick names its day where one begins', () => {
  assert.equal(tickText(at('2026-03-27T23:00:00Z'), 3600, 'Europe/Berlin'), '03-28');
  assert.equal(tickText(at('2026-03-27T23:00:00Z'), 3600, utc), '23:00');
  assert.equal(tickText(at('2026-03-27T23:00:05Z'), 5, utc), '23:00:05');
  assert.equal(tickText(at('2026-03-27T23:00:00Z'), 86_400, 'Europe/Berlin'), '03-28');
});
