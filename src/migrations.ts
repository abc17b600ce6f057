import { controlMigrations } from './control/control.repository.js';
import { notificationsMigrations } from './notifications/notifications.repository.js';
import { keysMigrations } from './platform/auth/keys.repository.js';
import type { Migrations } from './platform/database/migrate.js';
import { mqttMigrations } from './readings/protocols/mqtt-mappings.repository.js';
import { ingestKeysMigrations } from './readings/protocols/ingest-keys.repository.js';
import { derivedMigrations } from './readings/derived.repository.js';
import { historyMigrations } from './readings/history.repository.js';
import { readingsMigrations } from './readings/readings.schema.js';
import { upkeepMigrations } from './readings/upkeep.repository.js';
import { devicesMigrations } from './systems/devices.repository.js';
import { calibrationMigrations } from './systems/calibration.repository.js';
import { systemsMigrations } from './systems/systems.repository.js';
import { visionMigrations } from './vision/vision.repository.js';

/** Every room's, for the service and for tools that open its store. */
export const MIGRATIONS: Migrations = {
  ...keysMigrations,
  ...systemsMigrations,
  ...calibrationMigrations,
  ...devicesMigrations,
  ...readingsMigrations,
  ...mqttMigrations,
  ...ingestKeysMigrations,
  ...historyMigrations,
  ...derivedMigrations,
  ...upkeepMigrations,
  ...controlMigrations,
  ...visionMigrations,
  ...notificationsMigrations,
};
