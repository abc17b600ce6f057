const MAX_TOPIC_LENGTH = 256;
const MAX_LEVELS = 16;

/** A topic filter as people may write one: no empty level, wildcards alone in their level, `#` at the end alone. */
export function isFilter(text: string): boolean {
  const levels = text.split('/');
  if (text.length > MAX_TOPIC_LENGTH || levels.length > MAX_LEVELS || text.startsWith('$')) return false;
  return levels.every(
    (level, place) =>
      level !== '' &&
      !/[\0\uFFFD]/.test(level) &&
      (!/[+#]/.test(level) || level === '+' || (level === '#' && place === levels.length - 1)),
  );
}

/** Whether a filter takes a topic; `a/#` takes `a` too (MQTT 3.1.1, 4.7.1.2). */
export function matches(filter: string, topic: string): boolean {
  if (!filter.includes('+') && !filter.endsWith('#')) return filter === topic;
  return covers(filter, topic);
}

/** Whether all that `narrow` takes, `wide` takes as well. */
export function covers(wide: string, narrow: string): boolean {
  const wides = wide.split('/');
  const narrows = narrow.split('/');
  for (let place = 0; place < wides.length; place++) {
    const level = wides[place];
    if (level === '#') return narrows.length >= place;
    if (place >= narrows.length || narrows[place] === '#') return false;
    if (level !== '+' && level !== narrows[place]) return false;
  }
  return wides.length === narrows.length;
}

/** Whether there can be a topic that both take. */
export function overlap(one: string, other: string): boolean {
  const ones = one.split('/');
  const others = other.split('/');
  for (let place = 0; ; place++) {
    const [a, b] = [ones[place], others[place]];
    if (a === '#' || b === '#' || (a === undefined && b === undefined)) return true;
    if (a === undefined || b === undefined) return ones[place + 1] === '#' || others[place + 1] === '#';
    if (a !== '+' && b !== '+' && a !== b) return false;
  }
}
