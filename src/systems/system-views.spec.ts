import { describe, expect, it } from '@jest/globals';

import { REMEMBERED_MS, type SystemView, SystemViews } from './system-views.js';

const viewOf = (name: string): SystemView =>
  ({ system: { name }, sensors: new Map(), sensorsByNumber: new Map() }) as unknown as SystemView;

function views() {
  const asked: ((view: SystemView) => void)[] = [];
  const time = { now: 0 };
  const all = new SystemViews(
    () => new Promise((resolve) => asked.push(resolve)),
    () => time.now,
  );
  return { all, asked, time };
}

describe('views of systems', () => {
  it('are loaded once for all who wait, and are there at once from then on', async () => {
    const { all, asked } = views();
    const waiting = Promise.all([Promise.resolve(all.get('s')), Promise.resolve(all.get('s'))]);
    expect(asked).toHaveLength(1);
    asked[0]!(viewOf('first'));
    expect(await waiting).toEqual([viewOf('first'), viewOf('first')]);
    expect(all.get('s')).toEqual(viewOf('first'));
  });

  it('are loaded again when they are old, or the clock was set back', async () => {
    const { all, asked, time } = views();
    const first = all.get('s');
    asked[0]!(viewOf('first'));
    await first;
    time.now = REMEMBERED_MS - 1;
    expect(all.get('s')).toEqual(viewOf('first'));
    time.now = REMEMBERED_MS;
    expect(all.get('s')).toBeInstanceOf(Promise);
    time.now = -3_600_000;
    expect(all.get('s')).toBeInstanceOf(Promise);
  });

  it('do not bring back what was read before a change', async () => {
    const { all, asked } = views();
    const before = all.get('s');
    all.forget('s');
    const after = all.get('s');
    expect(asked).toHaveLength(2);
    asked[1]!(viewOf('new'));
    await after;
    asked[0]!(viewOf('old'));
    await before;
    expect(all.get('s')).toEqual(viewOf('new'));
  });

  it('are not remembered where there is no such system', async () => {
    let loads = 0;
    const all = new SystemViews(
      () => Promise.reject(new Error(`load ${++loads}`)),
      () => 0,
    );
    await expect(all.get('s')).rejects.toThrow('load 1');
    await expect(all.get('s')).rejects.toThrow('load 2');
  });
});
