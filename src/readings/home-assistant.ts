import type { Quantity } from '../systems/quantities.js';
import { type SensorRow, staleAfterMsOf, type SystemRow } from '../systems/systems.repository.js';
import { availabilityTopic, stateTopic } from './protocols/mqtt-topics.js';

/** What Home Assistant is told of one entity (its documentation of MQTT discovery has the fields). */
export interface Entity {
  /** Unique among what this service announces, and lasting. */
  id: string;
  deviceId: string;
  stateTopic: string;
  name: string;
  unit?: string;
  deviceClass?: string;
  expireAfterSeconds?: number;
  icon?: string;
}

interface HomeAssistantFacts {
  unit?: string;
  deviceClass?: string;
  icon?: string;
}

/** A device class allows certain units only; where none fits, the unit and an icon have to do. */
const FACTS: Record<Quantity, HomeAssistantFacts> = {
  'water-temperature': { unit: '°C', deviceClass: 'temperature' },
  ph: { deviceClass: 'ph' },
  'dissolved-oxygen': { unit: 'mg/L', icon: 'mdi:gas-cylinder' },
  'electrical-conductivity': { unit: 'µS/cm', deviceClass: 'conductivity' },
  'total-ammonia-nitrogen': { unit: 'mg/L', icon: 'mdi:flask' },
  nitrite: { unit: 'mg/L', icon: 'mdi:flask' },
  nitrate: { unit: 'mg/L', icon: 'mdi:flask' },
  'water-level': { unit: '%', icon: 'mdi:waves-arrow-up' },
  'flow-rate': { unit: 'L/min', deviceClass: 'volume_flow_rate' },
  turbidity: { unit: 'NTU', icon: 'mdi:water-opacity' },
  'air-temperature': { unit: '°C', deviceClass: 'temperature' },
  'relative-humidity': { unit: '%', deviceClass: 'humidity' },
  illuminance: { unit: 'lx', deviceClass: 'illuminance' },
  co2: { unit: 'ppm', deviceClass: 'carbon_dioxide' },
  'fish-count': { unit: 'fish', icon: 'mdi:fish' },
  'fish-length': { unit: 'cm', deviceClass: 'distance' },
  'fish-weight': { unit: 'g', deviceClass: 'weight' },
  'canopy-cover': { unit: '%', icon: 'mdi:sprout' },
  greenness: { icon: 'mdi:leaf' },
  yellowing: { unit: '%', icon: 'mdi:leaf' },
  browning: { unit: '%', icon: 'mdi:leaf' },
  'un-ionised-ammonia': { unit: 'mg/L', icon: 'mdi:flask' },
  'oxygen-saturation': { unit: '%', icon: 'mdi:gas-cylinder' },
  'vapour-pressure-deficit': { unit: 'kPa', deviceClass: 'pressure' },
  'degree-days': { unit: '°C·d', icon: 'mdi:thermometer-lines' },
};

export const sensorEntity = (sensor: SensorRow): Entity => ({
  id: sensor.id,
  deviceId: sensor.device_id,
  stateTopic: stateTopic(sensor.system_id, sensor.id),
  name: titleOf(sensor.id),
  ...FACTS[sensor.quantity],
  expireAfterSeconds: Math.ceil(staleAfterMsOf(sensor) / 1000),
});

/** `water-temperature` is "Water temperature". */
export function titleOf(id: string): string {
  const words = id.replaceAll('-', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** The retained message that announces an entity. */
export function announcement(
  prefix: string,
  system: SystemRow,
  deviceName: string,
  entity: Entity,
): { topic: string; payload: string } {
  const node = `aquaponia_${system.id}`;
  const { unit, deviceClass, icon, expireAfterSeconds } = entity;
  const config = {
    name: entity.name,
    unique_id: `${node}_${entity.id}`,
    state_topic: entity.stateTopic,
    state_class: 'measurement',
    ...(unit && { unit_of_measurement: unit }),
    ...(deviceClass && { device_class: deviceClass }),
    ...(icon && { icon }),
    ...(expireAfterSeconds !== undefined && { expire_after: expireAfterSeconds }),
    availability: [{ topic: availabilityTopic(system.id, entity.deviceId) }],
    device: {
      identifiers: [`${node}_${entity.deviceId}`],
      name: `${system.name} ${deviceName}`,
      manufacturer: 'Aquaponia',
      suggested_area: system.name,
    },
    origin: { name: 'Aquaponia' },
  };
  return { topic: `${prefix}/sensor/${node}/${entity.id}/config`, payload: JSON.stringify(config) };
}
