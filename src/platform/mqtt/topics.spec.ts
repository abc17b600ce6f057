import { describe, expect, it } from '@jest/globals';

import { covers, isFilter, matches, overlap } from './topics.js';

describe('topic filters', () => {
  it.each([
    ['a/b', 'a/b', true],
    ['a/b', 'a/c', false],
    ['a/+', 'a/b', true],
    ['a/+', 'a/b/c', false],
    ['a/+', 'a', false],
    ['a/#', 'a/b/c', true],
    ['a/#', 'a', true],
    ['a/#', 'ab', false],
    ['+/+/SENSOR', 'tele/tank/SENSOR', true],
    ['#', 'a', true],
  ])('%s takes %s: %s', (filter, topic, does) => {
    expect(matches(filter, topic)).toBe(does);
  });

  it.each([
    ['a/#', 'a/+/c', true],
    ['a/#', 'a/#', true],
    ['a/+', 'a/#', false],
    ['a/+/c', 'a/b/c', true],
    ['a/b/c', 'a/+/c', false],
    ['a/#', '#', false],
    ['a/+', '+/b', false],
  ])('%s takes all that %s takes: %s', (wide, narrow, does) => {
    expect(covers(wide, narrow)).toBe(does);
  });

  it.each([
    ['a/+', '+/b', true],
    ['a/+', 'b/+', false],
    ['a/+', 'a', false],
    ['a/#', 'a', true],
    ['a/#', '+', true],
    ['+/x/#', 'a/+/b/c', true],
    ['a/b', 'a/b', true],
  ])('%s and %s can take the same topic: %s', (one, other, can) => {
    expect(overlap(one, other)).toBe(can);
    expect(overlap(other, one)).toBe(can);
  });

  it.each(['a', 'a/b', '+/b', 'tele/+/SENSOR', 'a/#'])('%s is one', (filter) => {
    expect(isFilter(filter)).toBe(true);
  });

  it.each(['', '/a', 'a//b', 'a/#/b', 'a+/b', 'a#', '$SYS/#', 'x'.repeat(300), 'a\0b'])(
    '%j is none',
    (filter) => {
      expect(isFilter(filter)).toBe(false);
    },
  );
});
