/** Many MQTT clients in one process, as light as can be: bare sockets, so that the broker is what is measured. */
import { connect, type Socket } from 'node:net';

interface Work {
  port: number;
  password: string;
  topics: string[][];
  payload: 'plain' | 'timed';
  messages: number;
  window: number;
  startAt: number;
}

const text = (value: string): Buffer => {
  const bytes = Buffer.from(value);
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes]);
};

function packet(first: number, body: Buffer): Buffer {
  const length = body.length < 128 ? [body.length] : [(body.length & 127) | 128, body.length >> 7];
  return Buffer.concat([Buffer.from([first, ...length]), body]);
}

/** Publishes one after another, `window` of them without an acknowledgement. @returns how long each one waited for it. */
function publishAll(client: number, work: Work): Promise<number[]> {
  const topics = work.topics[client]!;
  const socket: Socket = connect(work.port, '127.0.0.1').setNoDelay();
  const protocol = [
    text('MQTT'),
    Buffer.from([4, 0b1100_0010, 0, 60]),
    text(`c${process.pid}-${client}`),
    text('u'),
  ];
  socket.write(packet(0x10, Buffer.concat([...protocol, text(work.password)])));
  const sentAt = new Float64Array(65_536);
  const waits: number[] = [];
  let sent = 0;
  let buffered: Buffer = Buffer.alloc(0);

  const send = (): void => {
    const batch: Buffer[] = [];
    while (sent < work.messages && sent - waits.length < work.window) {
      const value = (20 + ((sent * 7) % 50) / 10).toFixed(1);
      const time = new Date(work.startAt + sent * 5).toISOString();
      const payload = work.payload === 'plain' ? value : `{"value":${value},"observedAt":"${time}"}`;
      const id = (sent % 65_535) + 1;
      sentAt[id] = performance.now();
      const head = [text(topics[sent % topics.length]!), Buffer.from([id >> 8, id & 255])];
      batch.push(packet(0x32, Buffer.concat([...head, Buffer.from(payload)])));
      sent += 1;
    }
    if (batch.length > 0) socket.write(Buffer.concat(batch));
  };

  return new Promise((resolve, reject) => {
    socket.on('error', reject);
    socket.on('close', () => reject(new Error(`connection ${client} was closed`)));
    socket.on('data', (chunk: Buffer) => {
      buffered = buffered.length > 0 ? Buffer.concat([buffered, chunk]) : chunk;
      // CONNACK and PUBACK both have four bytes.
      while (buffered.length >= 4) {
        if (buffered[0] === 0x20 && buffered[3] !== 0) return reject(new Error(`refused: ${buffered[3]}`));
        if (buffered[0] === 0x40) waits.push(performance.now() - sentAt[buffered.readUInt16BE(2)]!);
        buffered = buffered.subarray(4);
      }
      if (waits.length === work.messages) {
        socket.removeAllListeners('close');
        socket.end(Buffer.from([0xe0, 0]));
        return resolve(waits);
      }
      send();
    });
  });
}

process.once('message', (work: Work) => {
  const started = performance.now();
  Promise.all(work.topics.map((_, client) => publishAll(client, work))).then(
    (waits) => {
      const seconds = (performance.now() - started) / 1000;
      process.send!({ seconds, waits: waits.flat() }, () => process.disconnect());
    },
    (error: Error) => {
      console.error(error);
      process.exit(1);
    },
  );
});
