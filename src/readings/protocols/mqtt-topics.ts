import { ROOT_TOPIC } from '../../systems/topics.js';

/** Batches of a system. */
export const SYSTEM_TOPICS = `${ROOT_TOPIC}/+`;
/** Readings of one sensor. */
export const SENSOR_TOPICS = `${ROOT_TOPIC}/+/+`;
/** A device's own word on whether it is there; its last will. */
export const STATUS_TOPICS = `${ROOT_TOPIC}/+/+/status`;

const ERRORS = 'errors';

/** The places of `aquaponia/{system}/{part}`. */
export function partsOf(topic: string): { systemId: string; part: string | undefined } {
  const [, systemId, part] = topic.split('/');
  return { systemId: systemId!, part };
}

export const isErrorsTopic = (part: string | undefined): boolean => part === ERRORS;

/** Where a system's devices read what could not be taken, and why. */
export const errorsTopic = (systemId: string): string => `${ROOT_TOPIC}/${systemId}/${ERRORS}`;
/** The newest good value of a sensor, whoever reported it. */
export const stateTopic = (systemId: string, sensorId: string): string =>
  `${ROOT_TOPIC}/${systemId}/${sensorId}/state`;
/** What the service knows of a device: its last will, its silence, its word. */
export const availabilityTopic = (systemId: string, deviceId: string): string =>
  `${ROOT_TOPIC}/${systemId}/${deviceId}/availability`;
