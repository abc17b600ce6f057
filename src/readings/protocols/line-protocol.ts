import { type Item, refuse } from '../ingest.js';

/** Nanoseconds are what a line means where nothing else is said. */
export const PRECISIONS = ['ns', 'us', 'ms', 's'] as const;
export type Precision = (typeof PRECISIONS)[number];

export interface ParsedLines {
  items: Item[];
  /** The line, counted from 1, of each item. */
  lines: number[];
  /** There was more than could be taken; the rest was not looked at. */
  isTooMuch: boolean;
}

const TAB = 9;
const NEWLINE = 10;
const SPACE = 32;
const QUOTE = 34;
const HASH = 35;
const COMMA = 44;
const EQUALS = 61;
const BACKSLASH = 92;

const ESCAPED = /\\([,= ])/g;
const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;
const INTEGER = /^[+-]?\d+[iu]$/;
/** How C and Python write the value of a probe that failed. */
const NO_NUMBER = /^[+-]?(?:nan|inf|infinity)$/i;
const BOOLEAN = /^(?:t|T|true|True|TRUE|f|F|false|False|FALSE)$/;
const TIMESTAMP = /^-?\d{1,19}$/;
/** What a `Date` can hold, in milliseconds. */
const LATEST_DATE = 8.64e15;

/** A field of a point: a number, a failed probe (null), something of another kind, or nothing that can be read. */
type FieldValue = number | null | 'text' | 'boolean' | 'unreadable';

/**
 * The readings of InfluxDB's line protocol, in one pass. A line that cannot be read says why, and the others go on.
 * The sensor of the field `value` is what the tag `sensor` says, or else the measurement; any other field is named by
 * its key. Fields that are no numbers are passed over where others of their line are.
 * @param sensors which there are: a name with underscores is also looked for with hyphens.
 */
export function parseLines(
  text: string,
  precision: Precision,
  sensors: { has(id: string): boolean },
  most: number,
): ParsedLines {
  return new LineReader(text, precision, sensors, most).read();
}

class LineReader {
  private readonly text: string;
  private at = 0;
  private line = 1;
  private readonly parsed: ParsedLines = { items: [], lines: [], isTooMuch: false };

  // Of the line under way.
  private measurement = '';
  private sensorTag: string | undefined;
  private readonly keys: string[] = [];
  private readonly values: FieldValue[] = [];

  constructor(
    text: string,
    private readonly precision: Precision,
    private readonly sensors: { has(id: string): boolean },
    private readonly most: number,
  ) {
    this.text = text.includes('\r') ? text.replaceAll('\r\n', '\n') : text;
  }

  read(): ParsedLines {
    while (this.at < this.text.length) {
      this.skipBlanks();
      const code = this.peek();
      if (code !== NEWLINE && code !== HASH && this.at < this.text.length) {
        const { line } = this;
        const wrong = this.readLine();
        if (wrong !== undefined) this.refuse(line, 'LINE.MALFORMED', '', wrong);
        if (this.parsed.items.length > this.most) return { ...this.parsed, isTooMuch: true };
      }
      this.skipLine();
    }
    return this.parsed;
  }

  /** @returns what is wrong with the line, where it cannot be read. */
  private readLine(): string | undefined {
    const { line } = this;
    this.sensorTag = undefined;
    this.keys.length = 0;
    this.values.length = 0;
    this.measurement = this.word(false);
    if (this.measurement === '') return 'the measurement is missing';
    const wrong = this.readTags() ?? this.readFields();
    if (wrong !== undefined) return wrong;
    this.skipBlanks();
    const start = this.at;
    while (!this.isAtEnd() && this.peek() !== SPACE && this.peek() !== TAB) this.at += 1;
    const timestamp = this.text.slice(start, this.at);
    this.skipBlanks();
    if (!this.isAtEnd()) return 'there is more after the timestamp';
    const observedAt = this.timeOf(timestamp);
    if (Number.isNaN(observedAt)) {
      this.refuse(
        line,
        'READING.TIME_FORM',
        'timestamp',
        `the timestamp must be a whole number of ${this.precision} since 1970, up to 19 digits`,
      );
    } else this.emit(line, observedAt);
    return undefined;
  }

  private readTags(): string | undefined {
    while (this.peek() === COMMA) {
      this.at += 1;
      const key = this.word(true);
      if (key === '' || this.peek() !== EQUALS) return 'a tag must be key=value';
      this.at += 1;
      const value = this.word(true);
      if (value === '' || this.peek() === EQUALS) return 'the value of a tag is missing, or has a bare =';
      if (key === 'sensor') this.sensorTag = value;
    }
    return this.peek() === SPACE ? undefined : 'the fields are missing';
  }

  private readFields(): string | undefined {
    this.skipBlanks();
    if (this.isAtEnd()) return 'the fields are missing';
    for (;;) {
      const key = this.word(true);
      if (key === '' || this.peek() !== EQUALS) return 'a field must be key=value';
      this.at += 1;
      let value: FieldValue = 'text';
      if (this.peek() !== QUOTE) value = this.readValue();
      else if (!this.skipText()) return 'a text has no closing quote, or something follows it';
      this.keys.push(key);
      this.values.push(value);
      if (this.peek() !== COMMA) return undefined;
      this.at += 1;
    }
  }

  private readValue(): FieldValue {
    const token = this.word(false);
    if (NUMBER.test(token)) return finite(Number(token));
    if (INTEGER.test(token)) return finite(Number(token.slice(0, -1)));
    if (NO_NUMBER.test(token)) return null;
    return BOOLEAN.test(token) ? 'boolean' : 'unreadable';
  }

  /** Newlines belong to a text. Where it has no end, its line ends at the first of them. @returns whether it has. */
  private skipText(): boolean {
    const [opened, { line }] = [this.at, this];
    for (this.at += 1; this.at < this.text.length; this.at += 1) {
      const code = this.peek();
      if (code === BACKSLASH) this.at += 1;
      if (code === NEWLINE || (code === BACKSLASH && this.peek() === NEWLINE)) this.line += 1;
      if (code !== QUOTE) continue;
      this.at += 1;
      const next = this.peek();
      if (next === COMMA || next === SPACE || this.isAtEnd()) return true;
      break;
    }
    [this.at, this.line] = [opened, line];
    return false;
  }

  /** Up to a comma, a space, the end of the line, or where it ends a key an equals sign, unless a backslash is before it. */
  private word(isKey: boolean): string {
    const { text } = this;
    const start = this.at;
    let isEscaped = false;
    let at = start;
    for (; at < text.length; at += 1) {
      const code = text.charCodeAt(at);
      if (code === BACKSLASH) {
        const next = text.charCodeAt(at + 1);
        if (next !== COMMA && next !== SPACE && next !== EQUALS) continue;
        isEscaped = true;
        at += 1;
      } else if (code === COMMA || code === SPACE || code === NEWLINE || (code === EQUALS && isKey)) break;
    }
    this.at = Math.min(at, text.length);
    const word = text.slice(start, this.at);
    return isEscaped ? word.replace(ESCAPED, '$1') : word;
  }

  private emit(line: number, observedAt: number | undefined): void {
    const before = this.parsed.items.length;
    for (const [index, key] of this.keys.entries()) {
      const value = this.values[index]!;
      if (value === 'text' || value === 'boolean') continue;
      if (value === 'unreadable') {
        this.refuse(line, 'READING.VALUE_TYPE', key, 'the value is no number, boolean or quoted text');
        continue;
      }
      const name = key === 'value' ? (this.sensorTag ?? this.measurement) : key;
      const sensor = this.sensorNamed(name);
      this.parsed.items.push(observedAt === undefined ? { sensor, value } : { sensor, value, observedAt });
      this.parsed.lines.push(line);
    }
    if (this.parsed.items.length > before) return;
    const message = `the line has no number: ${this.keys[0]!.slice(0, 64)} is a ${this.values[0]}`;
    this.refuse(line, 'READING.VALUE_TYPE', this.keys[0]!, message);
  }

  private sensorNamed(name: string): string {
    if (this.sensors.has(name)) return name;
    const hyphenated = name.replaceAll('_', '-');
    return this.sensors.has(hyphenated) ? hyphenated : name;
  }

  /** In milliseconds, whatever is finer cut off; undefined where there is none, NaN where it cannot be read. */
  private timeOf(timestamp: string): number | undefined {
    if (timestamp === '') return undefined;
    if (!TIMESTAMP.test(timestamp)) return NaN;
    const time = inMilliseconds(timestamp, this.precision);
    return Math.abs(time) <= LATEST_DATE ? time : NaN;
  }

  private refuse(line: number, code: string, field: string, message: string): void {
    this.parsed.items.push(refuse(code, field.slice(0, 64), message));
    this.parsed.lines.push(line);
  }

  private peek(): number {
    return this.text.charCodeAt(this.at);
  }

  private isAtEnd(): boolean {
    return this.at >= this.text.length || this.peek() === NEWLINE;
  }

  private skipBlanks(): void {
    while (this.peek() === SPACE || this.peek() === TAB) this.at += 1;
  }

  private skipLine(): void {
    const end = this.text.indexOf('\n', this.at);
    this.at = end < 0 ? this.text.length : end + 1;
    this.line += 1;
  }
}

function inMilliseconds(timestamp: string, precision: Precision): number {
  switch (precision) {
    // By their digits: a number has too few for nanoseconds.
    case 'ns':
      return Number(timestamp.slice(0, -6) || '0');
    case 'us':
      return Number(timestamp.slice(0, -3) || '0');
    case 'ms':
      return Number(timestamp);
    case 's':
      return Number(timestamp) * 1000;
  }
}

const finite = (value: number): FieldValue => (Number.isFinite(value) ? value : 'unreadable');
