import 'reflect-metadata';

import { describe, expect, it } from '@jest/globals';
import { plainToInstance, Type } from 'class-transformer';
import {
  ArrayMaxSize,
  IsArray,
  IsBoolean,
  IsIn,
  IsInt,
  IsNumber,
  IsOptional,
  IsString,
  Length,
  Matches,
  Max,
  Min,
  ValidateIf,
  ValidateNested,
  validateSync,
} from 'class-validator';

import { CheckedClass } from './checked-class.js';

class Leaf {
  @IsString()
  @Length(1, 3)
  name: string;

  @ValidateIf((leaf: Leaf) => leaf.size !== null)
  @IsNumber()
  @Min(0)
  @Max(10)
  size: number | null;
}

class Tree {
  @IsIn(['oak', 'fir'])
  kind: string;

  @IsOptional()
  @IsInt()
  age: number = 7;

  @IsBoolean()
  tall: boolean;

  @IsArray()
  @ArrayMaxSize(2)
  @ValidateNested({ each: true })
  @Type(() => Leaf)
  leaves: Leaf[];

  @ValidateNested()
  @Type(() => Leaf)
  top: Leaf;

  @IsOptional()
  @Matches(/^x/, { each: true })
  marks?: string[];
}

const good = (): Record<string, unknown> => ({
  kind: 'oak',
  tall: true,
  leaves: [
    { name: 'a', size: 1 },
    { name: 'b', size: null },
  ],
  top: { name: 'c', size: 0 },
  marks: ['x1', 'x'],
});

const WRONG = [
  undefined,
  null,
  NaN,
  Infinity,
  -1,
  11,
  1.5,
  'oaken',
  '',
  '1',
  [],
  {},
  [{}],
  [null],
  ['y'],
  true,
];

describe('a checked class', () => {
  const checked = CheckedClass.of(Tree);
  const byClassValidator = (plain: unknown): boolean =>
    typeof plain === 'object' &&
    plain !== null &&
    !Array.isArray(plain) &&
    validateSync(plainToInstance(Tree, plain), { whitelist: true, forbidNonWhitelisted: true }).length === 0;

  it('accepts what is in order, and makes instances of it with their defaults', () => {
    const plain = good();
    expect(checked.accepts(plain)).toBe(true);
    const instance = checked.instantiate(plain as never);
    expect(instance).toBeInstanceOf(Tree);
    expect(instance.top).toBeInstanceOf(Leaf);
    expect(instance.leaves[1]).toBeInstanceOf(Leaf);
    expect(instance.age).toBe(7);
  });

  it('never accepts what class-validator refuses, wherever the fault is', () => {
    const places: ((tree: Record<string, never>, value: unknown) => void)[] = [
      ...['kind', 'age', 'tall', 'leaves', 'top', 'marks', 'unknown'].map(
        (name) => (tree: Record<string, unknown>, value: unknown) => void (tree[name] = value),
      ),
      ...['name', 'size', 'unknown'].flatMap((name) => [
        (tree: { top: Record<string, unknown> }, value: unknown) => void (tree.top[name] = value),
        (tree: { leaves: Record<string, unknown>[] }, value: unknown) => void (tree.leaves[1]![name] = value),
      ]),
    ] as never;
    for (const place of places) {
      for (const value of WRONG) {
        const plain = good();
        place(plain as never, value);
        if (checked.accepts(plain))
          expect([place.toString(), value, byClassValidator(plain)]).toEqual([place.toString(), value, true]);
      }
    }
  });

  it('accepts no array, no string, no null, and no member of the prototype', () => {
    for (const plain of [[], 'tree', null, undefined, 7]) expect(checked.accepts(plain)).toBe(false);
    expect(checked.accepts(JSON.parse('{"__proto__": {"kind": "oak"}}'))).toBe(false);
  });
});
