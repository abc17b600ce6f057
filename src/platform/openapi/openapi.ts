import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';

import {
  BODY_MEDIA_TYPE,
  BODY_NOT_JSON,
  BODY_TOO_LARGE,
  INTERNAL_ERROR,
  ProblemDetails,
  type ProblemType,
  REQUEST_INVALID,
} from '../http/problem.js';
import { addProblems } from './fails.js';

const METHODS = ['get', 'post', 'put', 'patch', 'delete'] as const;

type Operation = NonNullable<OpenAPIObject['paths'][string]['get']>;

const DESCRIPTION = `
The control API of an aquaponic farm. Sensors post **readings**; a fuzzy controller proposes what pumps, aerators,
heaters and feeders should do, as **decisions** with their reasons; computer vision turns a photo of plants into an
**analysis**; a perceptron classifies a system's state and makes the **notifications** that deserve a person.

Press *Authorize* and enter a key; the examples then work as they stand, from top to bottom.

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
      description: 'A key: the admin key of the first start, or one of /v1/keys',
    });
  for (const [name, description] of [
    ['systems', 'What stands on the farm: loops of water, devices, sensors, actuators, profiles'],
    ['readings', 'The series: batches in, ranges and status out'],
    ['control', 'The fuzzy controller: evaluations, decisions, commands'],
    ['vision', 'Photos of plants in, canopy and colour out'],
    ['notifications', 'The state of a system, and who is told'],
    ['keys', 'Who may do what'],
    ['health', 'For those who run it'],
  ] as const) {
    info.addTag(name, description);
  }
  const document = SwaggerModule.createDocument(app, info.build(), { extraModels: [ProblemDetails] });
  for (const path of Object.values(document.paths)) {
    for (const method of METHODS) {
      const operation = path[method];
      if (operation) addProblems(operation.responses, sharedProblems(operation));
    }
  }
  return document;
}

/** What any route of its kind can answer with need not be said at each. */
function sharedProblems({ security, requestBody }: Operation): ProblemType[] {
  const takesJson = requestBody && 'content' in requestBody && 'application/json' in requestBody.content;
  return [
    // Public routes take whatever query and body they are given.
    ...(security ? [REQUEST_INVALID] : []),
    ...(takesJson ? [BODY_NOT_JSON, BODY_TOO_LARGE, BODY_MEDIA_TYPE] : []),
    INTERNAL_ERROR,
  ];
}

/** `/docs` for people, `/openapi.json` for programs. */
export function serveDocumentation(app: NestFastifyApplication, document: OpenAPIObject): void {
  SwaggerModule.setup('docs', app, document, {
    jsonDocumentUrl: 'openapi.json',
    customSiteTitle: 'Aquaponia',
    swaggerOptions: { persistAuthorization: true, displayRequestDuration: true },
  });
}
