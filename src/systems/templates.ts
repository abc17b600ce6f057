import type { ActuatorKind } from './actuators.js';
import type { Quantity } from './quantities.js';

interface TemplateDevice {
  id: string;
  name: string;
  sensors: { id: string; quantity: Quantity; place: string }[];
  actuators: { id: string; kind: ActuatorKind; place: string }[];
}

export interface Template {
  name: string;
  devices: TemplateDevice[];
}

const sensor = (quantity: Quantity, place: string, id: string = quantity) => ({ id, quantity, place });

/** The camera's sensors are fed by the analysis of photos. */
export const CAMERA: TemplateDevice = {
  id: 'camera',
  name: 'Camera',
  sensors: (['canopy-cover', 'greenness', 'yellowing', 'browning'] as const).map((quantity) =>
    sensor(quantity, 'bed'),
  ),
  actuators: [],
};

/** What is computed hangs on a device of its own, which nothing reports for. */
export const DERIVED_DEVICE = { id: 'derived', name: 'Derived quantities' };

const WATER: TemplateDevice = {
  id: 'water',
  name: 'Water controller',
  sensors: [
    sensor('water-temperature', 'tank'),
    sensor('ph', 'tank'),
    sensor('dissolved-oxygen', 'tank'),
    sensor('electrical-conductivity', 'sump'),
    sensor('total-ammonia-nitrogen', 'tank'),
    sensor('nitrite', 'tank'),
    sensor('nitrate', 'tank'),
    sensor('water-level', 'sump'),
    sensor('flow-rate', 'sump'),
  ],
  actuators: [
    { id: 'air-pump', kind: 'air-pump', place: 'tank' },
    { id: 'circulation-pump', kind: 'circulation-pump', place: 'sump' },
    { id: 'heater', kind: 'heater', place: 'tank' },
    { id: 'feeder', kind: 'feeder', place: 'tank' },
  ],
};

const CLIMATE: TemplateDevice = {
  id: 'climate',
  name: 'Climate station',
  sensors: [
    sensor('air-temperature', 'greenhouse'),
    sensor('relative-humidity', 'greenhouse'),
    sensor('illuminance', 'greenhouse'),
  ],
  actuators: [],
};

const growing = (
  name: string,
  sensors: TemplateDevice['sensors'],
  actuators: TemplateDevice['actuators'] = [],
) => ({
  id: 'growing',
  name,
  sensors,
  actuators,
});

/** The three usual ways to grow: they share water and climate, and differ in the bed. */
export const TEMPLATES: Record<string, Template> = {
  'media-bed': {
    name: 'Media bed: plants in gravel or clay, flooded and drained',
    devices: [
      WATER,
      growing('Media bed', [sensor('water-level', 'bed', 'bed-water-level')]),
      CLIMATE,
      CAMERA,
    ],
  },
  raft: {
    name: 'Raft (deep water culture): plants float on an aerated canal',
    devices: [
      WATER,
      growing(
        'Raft canal',
        [
          sensor('dissolved-oxygen', 'canal', 'canal-dissolved-oxygen'),
          sensor('water-temperature', 'canal', 'canal-water-temperature'),
        ],
        [{ id: 'canal-air-pump', kind: 'air-pump', place: 'canal' }],
      ),
      CLIMATE,
      CAMERA,
    ],
  },
  nft: {
    name: 'NFT: a film of water runs past the roots in pipes, and nothing is stored in them',
    devices: [WATER, growing('NFT pipes', [sensor('flow-rate', 'pipes', 'pipe-flow-rate')]), CLIMATE, CAMERA],
  },
};

export const TEMPLATE_NAMES = Object.keys(TEMPLATES);
