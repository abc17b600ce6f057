import { describe, expect, it } from '@jest/globals';

import { chooseColumns, parseMap } from './columns.ts';

describe('parseMap', () => {
  it('takes pairs separated by commas and given again, with spaces anywhere', () => {
    expect(
      parseMap(['TEMPERATURE=water-temperature, DISOLVED OXYGEN = dissolved-oxygen', ' pH=ph ,']),
    ).toEqual([
      { names: ['TEMPERATURE'], sensor: 'water-temperature' },
      { names: ['DISOLVED OXYGEN'], sensor: 'dissolved-oxygen' },
      { names: ['pH'], sensor: 'ph' },
    ]);
  });

  it('takes other names of a column, and names with commas and equals signs', () => {
    expect(parseMap(['Lenght|Length=fish-length', 'T, water=water-temperature', 'a=B=ph'])).toEqual([
      { names: ['Lenght', 'Length'], sensor: 'fish-length' },
      { names: ['T, water'], sensor: 'water-temperature' },
      { names: ['a=B'], sensor: 'ph' },
    ]);
  });

  it.each([[['pH']], [['pH=']], [['=ph']], [['pH=Ph!']], [['a||b=ph']], [['pH=ph,TEMPERATURE']]])(
    'refuses %j',
    (texts) => expect(() => parseMap(texts)).toThrow('--map takes column=sensor pairs'),
  );

  it('refuses nothing, and a sensor fed by two columns', () => {
    expect(() => parseMap([])).toThrow('Nothing is mapped');
    expect(() => parseMap(['a=ph,b=ph'])).toThrow('The sensor ph is mapped twice');
  });
});

describe('chooseColumns', () => {
  const header = ['created_at', 'entry_id', ' TEMPERATURE ', 'Lenght'];
  const mappings = parseMap(['temperature=water-temperature,Length|Lenght=fish-length']);

  it('finds columns by any of their names, ignoring letter case and spaces around them', () => {
    expect(chooseColumns(header, mappings)).toEqual({
      count: 4,
      time: { index: 0, name: 'created_at' },
      mapped: [
        { index: 2, name: 'TEMPERATURE', sensor: 'water-temperature' },
        { index: 3, name: 'Lenght', sensor: 'fish-length' },
      ],
      ignored: ['entry_id'],
    });
  });

  it('names the columns that exist where one is missing', () => {
    expect(() => chooseColumns(header, parseMap(['pH|acidity=ph']))).toThrow(
      'There is no column "pH" or "acidity"; the file has "created_at", "entry_id", "TEMPERATURE" and "Lenght".',
    );
    expect(() => chooseColumns(header, mappings, 'when')).toThrow('There is no column "when"');
    expect(() => chooseColumns(['when', 'pH'], parseMap(['pH=ph']))).toThrow('name it with --time');
  });

  it('does not choose between two columns', () => {
    expect(() => chooseColumns(['time', 'pH', 'PH'], parseMap(['ph=ph']))).toThrow(
      '2 columns would do for "ph"',
    );
  });
});
