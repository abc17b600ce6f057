import { describe, expect, it } from '@jest/globals';

import { Arrivals, type Delivery } from './arrivals.js';

describe('the time of arrival', () => {
  let now = 1000;
  const arrivals = new Arrivals(() => now);
  const time = (delivery: Partial<Delivery>): number => {
    now += 1;
    return arrivals.timeOf({
      clientId: 'a',
      messageId: 1,
      isRedelivery: false,
      topic: 't',
      payload: Buffer.from('6.8'),
      ...delivery,
    });
  };

  it('is the first one, where the same is sent again', () => {
    const first = time({});
    expect(time({ isRedelivery: true })).toBe(first);
    expect(time({ isRedelivery: true })).toBe(first);
  });

  it('is now, where it is another that is sent', () => {
    time({});
    expect(time({})).toBe(now);
    expect(time({ isRedelivery: true, payload: Buffer.from('6.9') })).toBe(now);
    expect(time({ isRedelivery: true, topic: 'u' })).toBe(now);
    expect(time({ isRedelivery: true, messageId: 2 })).toBe(now);
    expect(time({ isRedelivery: true, clientId: 'b' })).toBe(now);
    expect(time({ messageId: undefined })).toBe(now);
  });

  it('differs for all that a topic brings within a millisecond', () => {
    const bursts = new Arrivals(() => 5);
    const times = [1, 2, 3].map((messageId) =>
      bursts.timeOf({ clientId: 'a', messageId, isRedelivery: false, topic: 't', payload: Buffer.from('1') }),
    );
    expect(times).toEqual([5, 6, 7]);
  });

  it('is forgotten at last', () => {
    time({ messageId: 9 });
    for (let id = 100; id < 400; id++) time({ messageId: id });
    expect(time({ messageId: 9, isRedelivery: true })).toBe(now);
  });
});
