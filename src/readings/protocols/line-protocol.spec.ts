import { describe, expect, it } from '@jest/globals';

import { parseLines, type Precision } from './line-protocol.js';

const SENSORS = new Set(['ph', 'water-temperature', 'tank-ph', 'temperature']);
const parse = (text: string, precision: Precision = 'ns') => parseLines(text, precision, SENSORS, 10_000);
const items = (text: string, precision?: Precision) => parse(text, precision).items;
const code = (text: string) =>
  items(text).map((item) => ('refusal' in item ? item.refusal.code : item.sensor));

describe('a line', () => {
  it.each<[line: string, sensor: string, value: number | null]>([
    ['ph value=6.8', 'ph', 6.8],
    ['ph value=7i', 'ph', 7],
    ['ph value=7u', 'ph', 7],
    ['ph value=-7i', 'ph', -7],
    ['ph value=+6.8e0', 'ph', 6.8],
    ['ph value=68E-1', 'ph', 6.8],
    ['ph value=7.', 'ph', 7],
    ['ph value=.7', 'ph', 0.7],
    ['ph value=nan', 'ph', null],
    ['ph value=-Inf', 'ph', null],
    ['ph,place=tank value=6.8', 'ph', 6.8],
    ['probe,sensor=ph value=6.8', 'ph', 6.8],
    ['probe,sensor=tank_ph value=6.8', 'tank-ph', 6.8],
    ['water_temperature value=26', 'water-temperature', 26],
    ['water water_temperature=26', 'water-temperature', 26],
    ['water,sensor=ph temperature=26', 'temperature', 26],
    ['no_such value=1', 'no_such', 1],
    // Escapes: only of what would end a word.
    [String.raw`a\ b\,c,t\=x=y\ z value=1`, 'a b,c', 1],
    [String.raw`a\b value=1`, String.raw`a\b`, 1],
    [String.raw`a\\,t=1 value=1`, String.raw`a\,t=1`, 1],
    [String.raw`m a\=b\ c\,d=1`, 'a=b c,d', 1],
    ['Wasser,Ort=Gewächshaus\\ 1,emoji=🐟 value=26', 'Wasser', 26],
    // Blanks that some writers add.
    ['  ph   value=6.8   ', 'ph', 6.8],
    ['\tph value=6.8', 'ph', 6.8],
  ])('%j is a reading of %j', (line, sensor, value) => {
    expect(items(line)).toEqual([{ sensor, value }]);
  });

  it('has as many readings as numbers, and passes over what is none', () => {
    const line =
      'water,host=pi ph=6.8,note="a, b=c \\"d\\" e",temperature=26i,pump=true,on=F 1763715600000000000';
    const observedAt = 1763715600000;
    expect(items(line)).toEqual([
      { sensor: 'ph', value: 6.8, observedAt },
      { sensor: 'temperature', value: 26, observedAt },
    ]);
  });

  it.each<[line: string, codes: string[]]>([
    ['ph value="6.8"', ['READING.VALUE_TYPE']],
    ['ph value=true', ['READING.VALUE_TYPE']],
    ['ph a="x",b=t', ['READING.VALUE_TYPE']],
    ['ph value=', ['READING.VALUE_TYPE']],
    ['ph value=abc', ['READING.VALUE_TYPE']],
    ['ph value=6,8', ['LINE.MALFORMED']],
    ['ph value=0x1F', ['READING.VALUE_TYPE']],
    ['ph value=1e999', ['READING.VALUE_TYPE']],
    ['ph value=1.5i', ['READING.VALUE_TYPE']],
    ['ph value=1_000', ['READING.VALUE_TYPE']],
    // One field that cannot be read costs no other.
    ['w temperature=26,ph=oops', ['temperature', 'READING.VALUE_TYPE']],
    ['ph', ['LINE.MALFORMED']],
    ['ph ', ['LINE.MALFORMED']],
    ['ph,', ['LINE.MALFORMED']],
    ['ph,tag value=1', ['LINE.MALFORMED']],
    ['ph,=x value=1', ['LINE.MALFORMED']],
    ['ph,tag= value=1', ['LINE.MALFORMED']],
    ['ph,tag=a=b value=1', ['LINE.MALFORMED']],
    ['ph value', ['LINE.MALFORMED']],
    ['ph =1', ['LINE.MALFORMED']],
    ['ph value=1,', ['LINE.MALFORMED']],
    ['ph value=1,,a=2', ['LINE.MALFORMED']],
    [',a=b value=1', ['LINE.MALFORMED']],
    ['ph value="open', ['LINE.MALFORMED']],
    ['ph value="a"b', ['LINE.MALFORMED']],
    ['ph value="a\\', ['LINE.MALFORMED']],
    ['ph value=1 2 3', ['LINE.MALFORMED']],
    ['ph value=1 yesterday', ['READING.TIME_FORM']],
    ['ph value=1 1.5', ['READING.TIME_FORM']],
    ['ph value=1 12345678901234567890', ['READING.TIME_FORM']],
    ['ph value=1 1763715600i', ['READING.TIME_FORM']],
    ['{"readings": []}', ['LINE.MALFORMED']],
  ])('%j gives %j', (line, codes) => {
    expect(code(line)).toEqual(codes);
  });

  it.each<[Precision, string, number]>([
    ['ns', '1763715600123999999', 1763715600123],
    ['us', '1763715600123999', 1763715600123],
    ['ms', '1763715600123', 1763715600123],
    ['s', '1763715600', 1763715600000],
    ['ns', '5', 0],
    ['ns', '-1763715600123000000', -1763715600123],
  ])('has its time in %s', (precision, timestamp, observedAt) => {
    expect(items(`ph value=1 ${timestamp}`, precision)).toEqual([{ sensor: 'ph', value: 1, observedAt }]);
  });

  it('of a time that no date holds is refused', () => {
    expect(items('ph value=1 9999999999999999999', 's')[0]).toHaveProperty(
      'refusal.code',
      'READING.TIME_FORM',
    );
    expect(items('ph value=1 9999999999999999999', 'ms')[0]).toHaveProperty(
      'refusal.code',
      'READING.TIME_FORM',
    );
  });
});

describe('lines', () => {
  it('are counted as an editor counts them, comments, blanks and text over several lines included', () => {
    const text =
      '# comment\r\n\r\nph value=1\r\n  # another\nph note="one\ntwo\\"\\\nthree",value=2\nbad\n\nph value=3';
    const { items, lines } = parse(text);
    expect(lines).toEqual([3, 5, 8, 10]);
    expect(items.map((item) => 'value' in item && item.value)).toEqual([1, 2, false, 3]);
  });

  it('go on after one whose quote is never closed', () => {
    expect(code('ph value=1\nph note="cut off\nph value=2\nph value=3')).toEqual([
      'ph',
      'LINE.MALFORMED',
      'ph',
      'ph',
    ]);
    expect(parse('ph note="cut off\nph note="again\nph value=3').lines).toEqual([1, 2, 3]);
  });

  it('may be none', () => {
    expect(items('')).toEqual([]);
    expect(items('\n\r\n# only this')).toEqual([]);
  });

  it('are looked at up to what can be taken', () => {
    const lines = (count: number) => parseLines('ph value=1\n'.repeat(count), 'ns', SENSORS, 100);
    expect(lines(100)).toMatchObject({ isTooMuch: false });
    expect(lines(101)).toMatchObject({ isTooMuch: true });
  });

  it('of anything at all are parsed to an end, each good one among them', () => {
    // A small generator of its own, so that a failure can be seen again.
    let seed = 42;
    const random = (below: number): number => {
      seed = (seed * 1103515245 + 12345) % 2 ** 31;
      return Math.floor((seed / 2 ** 31) * below);
    };
    const pieces = [
      ...'ph,= "\\#\t10-.eiut\r',
      'value=',
      'sensor=',
      '"',
      '\\"',
      '🐟',
      ' 1763715600000000000',
      'nan',
    ];
    for (let round = 0; round < 3000; round += 1) {
      const noise = (): string =>
        Array.from({ length: random(30) }, () => pieces[random(pieces.length)]).join('');
      const text = [noise(), 'ph value=6.8', noise(), 'ph value=6.9', noise()].join('\n');
      const { items, lines } = parse(text);
      expect(items).toHaveLength(lines.length);
      for (const [index, line] of lines.entries()) {
        expect(line).toBeGreaterThanOrEqual(lines[index - 1] ?? 1);
        expect(line).toBeLessThanOrEqual(5);
      }
      // A quote that noise has opened may rightly end in what comes later.
      if (text.includes('"')) continue;
      for (const [place, value] of [
        [2, 6.8],
        [4, 6.9],
      ] as const) {
        expect([text, items[lines.indexOf(place)]]).toEqual([text, { sensor: 'ph', value }]);
      }
    }
  });

  it('with quotes that never close cost no more than others', () => {
    // Looked at to the end for each line, these would take minutes.
    const text = 'a b="\\\\\\"\n'.repeat(9_000) + 'x'.repeat(3_000_000);
    expect(parse(text).items.length).toBeGreaterThan(0);
  });
});
