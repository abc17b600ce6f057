/** The first level of the MQTT topics of all systems. */
export const ROOT_TOPIC = 'aquaponia';

/** Where the topics of a system's sensors begin. */
export const topicPrefix = (systemId: string): string => `${ROOT_TOPIC}/${systemId}/`;
