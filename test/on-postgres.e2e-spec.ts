/* What other files ask of a server on SQLite, asked of one on PostgreSQL. */
import { afterAll } from '@jest/globals';

import { Postgres } from './helpers/postgres.js';
import { Server } from './helpers/server.js';

const postgres = await Postgres.start();
// An empty database for each of the servers that a file starts.
Server.defaults = async () => ({ DATABASE_URL: await postgres.database() });

await import('./farm.e2e-spec.js');
await import('./systems.e2e-spec.js');

afterAll(() => postgres.stop());
