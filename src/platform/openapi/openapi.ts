import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';

import { STORE_UNAVAILABLE } from '../database/unavailable.js';
import {
  BODY_ENCODING,
  BODY_MEDIA_TYPE,
  BODY_NOT_JSON,
  BODY_NOT_UTF8,
  BODY_TOO_LARGE,
  BODY_UNREADABLE,
  INTERNAL_ERROR,
  ProblemDetails,
  type ProblemType,
  REQUEST_INVALID,
} from '../http/problem.js';
import { addProblems } from './fails.js';

const METHODS = ['get', 'post', 'put', 'patch', 'delete'] as const;

/** What stands there is an example, whatever its members are called. */
const EXAMPLES = ['example', 'examples', 'default'];

type Operation = NonNullable<OpenAPIObject['paths'][string]['get']>;

/** In the order of the page. */
const TAGS = [
  ['systems', 'What stands on the farm: loops of water, devices, sensors, actuators, profiles'],
  ['readings', 'From devices in, by whichever protocol; as status, series, exports and live out'],
  ['quality', 'What makes a reading of a sensor good, suspect or bad'],
  ['calibration', 'From what a probe says to what it means'],
  ['control', 'The fuzzy controller: evaluations, decisions, commands'],
  ['vision', 'Photos of plants in, canopy and colour out'],
  ['notifications', 'The state of a system, and who is told'],
  ['keys', 'Who may do what'],
  ['health', 'For those who run it'],
] as const;

const DESCRIPTION = `
The control API of an aquaponic farm. Sensors send **readings**, over HTTP or MQTT; a fuzzy controller proposes what
pumps, aerators, heaters and feeders should do, as **decisions** with their reasons; computer vision turns a photo of
plants into an **analysis**; a perceptron classifies a system's state and makes the **notifications** that deserve a
person. Charts are at [/chart](/chart).

Press *Authorize* and enter a key; the examples then work as they stand, from top to bottom of this page (on
an empty database: names are taken once).

Times are UTC in ISO 8601, units are UCUM, errors are problem details (RFC 9457) with a stable \`code\`. Every answer
carries \`x-request-id\` and \`x-served-by\`.
`;

export function describeApi(app: NestFastifyApplication, version: string): OpenAPIObject {
  const info = new DocumentBuilder()
    .setTitle('Aquaponia')
    .setDescription(DESCRIPTION)
    .setVersion(version)
    .addBearerAuth({
      type: 'http',
      scheme: 'bearer',
      bearerFormat: 'key',
      description: 'A key: the admin key of the first start, or one of /v1/keys',
    });
  for (const [name, description] of TAGS) info.addTag(name, description);
  const document = SwaggerModule.createDocument(app, info.build(), {
    extraModels: [ProblemDetails],
    operationIdFactory: (controller, method) =>
      controller.replace('Controller', '').toLowerCase() + method[0]!.toUpperCase() + method.slice(1),
  });
  for (const path of Object.values(document.paths)) {
    for (const method of METHODS) {
      const operation = path[method];
      if (operation) addProblems(operation.responses, sharedProblems(operation));
    }
  }
  document.paths = Object.fromEntries(
    Object.entries(document.paths).sort(([, one], [, other]) => placeOf(one) - placeOf(other)),
  );
  return { ...(asJsonSchema(document) as OpenAPIObject), openapi: '3.1.0' };
}

/** Where a path stands on the page, so that programs that go through the document meet the same order. */
function placeOf(path: OpenAPIObject['paths'][string]): number {
  const [operation] = METHODS.flatMap((method) => path[method] ?? []);
  return TAGS.findIndex(([name]) => name === operation?.tags?.[0]);
}

/** Nest writes OpenAPI 3.0, whose `nullable` says nothing beside a reference; 3.1 is JSON Schema, where null is a type. */
function asJsonSchema(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(asJsonSchema);
  if (typeof node !== 'object' || node === null) return node;
  const { nullable, ...schema } = Object.fromEntries(
    Object.entries(node).map(([name, value]) => [
      name,
      EXAMPLES.includes(name) ? value : asJsonSchema(value),
    ]),
  ) as { nullable?: boolean; type?: string; enum?: unknown[]; allOf?: unknown[] };
  if (!nullable) return schema;
  const { type, allOf, ...rest } = schema;
  if (allOf) return { ...rest, anyOf: [...allOf, { type: 'null' }] };
  return { ...rest, type: [type, 'null'], ...(rest.enum && { enum: [...rest.enum, null] }) };
}

/** What any route of its kind can answer with need not be said at each. */
function sharedProblems({ security, requestBody }: Operation): ProblemType[] {
  const taken = requestBody && 'content' in requestBody ? requestBody.content : {};
  const takesJson = 'application/json' in taken;
  const takesText = takesJson || 'text/plain' in taken;
  return [
    // Public routes take whatever query and body they are given.
    ...(security ? [REQUEST_INVALID, STORE_UNAVAILABLE] : []),
    ...(takesText ? [BODY_NOT_UTF8, BODY_UNREADABLE, BODY_TOO_LARGE, BODY_ENCODING] : []),
    ...(takesJson ? [BODY_NOT_JSON, BODY_MEDIA_TYPE] : []),
    INTERNAL_ERROR,
  ];
}

/** `/docs` for people, and for those who try the bare address; `/openapi.json` for programs. */
export function serveDocumentation(app: NestFastifyApplication, document: OpenAPIObject): void {
  const fastify = app.getHttpAdapter().getInstance();
  fastify.get('/', (_request: FastifyRequest, reply: FastifyReply) => reply.redirect('/docs'));
  SwaggerModule.setup('docs', app, document, {
    jsonDocumentUrl: 'openapi.json',
    customSiteTitle: 'Aquaponia',
    swaggerOptions: { persistAuthorization: true, displayRequestDuration: true },
  });
}
