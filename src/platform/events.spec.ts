import { describe, expect, it, jest } from '@jest/globals';
import { pino } from 'pino';

import { Events } from './events.js';

describe('events', () => {
  it('reach every listener until it stops listening', () => {
    const events = new Events(pino({ level: 'silent' }));
    const heard: string[] = [];
    const stop = events.on('key.revoked', ({ keyId }) => heard.push(`one ${keyId}`));
    events.on('key.revoked', ({ keyId }) => heard.push(`two ${keyId}`));
    events.emit('key.revoked', { keyId: 'a' });
    stop();
    events.emit('key.revoked', { keyId: 'b' });
    expect(heard).toEqual(['one a', 'two a', 'two b']);
  });

  it('are not kept from the others, nor from the one who emits, by a listener that fails', () => {
    const logger = pino({ level: 'silent' });
    const error = jest.spyOn(logger, 'error');
    const events = new Events(logger);
    const heard = jest.fn();
    events.on('system.parts-changed', () => {
      throw new Error('listener');
    });
    events.on('system.parts-changed', heard);
    events.emit('system.parts-changed', { systemId: 's' });
    expect(heard).toHaveBeenCalledWith({ systemId: 's' });
    expect(error).toHaveBeenCalledTimes(1);
  });
});
