import { DatabaseSync } from 'node:sqlite';
import { expect, it } from '@jest/globals';

import { HOUR_MS } from './readings.schema.js';
import { daysBetween, INSERT_DAYS, listOf } from './rollups.js';

const FIGURES =
  'count int, sum real, min real, max real, last real, last_at int, suspect int, bad int, primary key (sensor_number, at)';

it('counts each reading once where hours belong to two days, and the readings of the older are gone', () => {
  const database = new DatabaseSync(':memory:');
  database.exec('create table readings (sensor_number int, observed_at int, value real, quality int)');
  for (const table of ['rollups_hourly', 'rollups_daily'])
    database.exec(`create table ${table} (sensor_number int, at int, ${FIGURES})`);
  const from = Date.UTC(2026, 0, 1);
  const to = Date.UTC(2026, 0, 7);
  const retired = { raw: Date.UTC(2026, 0, 4), hourly: Date.UTC(2025, 0, 1) };
  const addHour = database.prepare('insert into rollups_hourly values (1, ?, 4, 4, 1, 1, 1, ?, 0, 0)');
  const add = database.prepare('insert into readings values (1, ?, 1, 0)');
  for (let at = from; at < to; at += HOUR_MS) {
    addHour.run(at, at + HOUR_MS - 900_000);
    for (let minutes = 0; minutes < 60; minutes += 15) {
      if (at >= retired.raw) add.run(at + minutes * 60_000);
    }
  }
  // India is five and a half hours ahead.
  const days = daysBetween(from, to - 1, 'Asia/Kolkata', retired);
  database.prepare(INSERT_DAYS.sqlite).run(1, listOf(days));
  const daily = database.prepare('select sum(count) as readings from rollups_daily').get();
  const hourly = database.prepare('select sum(count) as readings from rollups_hourly').get();
  expect(daily).toEqual(hourly);
  database.close();
});
