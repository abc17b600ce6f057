/** Aedes as it comes: acknowledges what arrives and does nothing with it. */
import { createServer, type AddressInfo } from 'node:net';
import { Aedes } from 'aedes';

const broker = await Aedes.createBroker();
const server = createServer({ noDelay: true }, broker.handle);
server.listen(0, '127.0.0.1', () => console.log(`{"port":${(server.address() as AddressInfo).port}}`));
process.once('SIGTERM', () => process.exit(0));
