import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';

import { INTERNAL_ERROR, ProblemDetails, type ProblemType } from '../http/problem.js';
import { problemResponse } from './fails.js';

const METHODS = ['get', 'post', 'put', 'patch', 'delete'] as const;

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
  addSharedProblem(document, INTERNAL_ERROR);
  return document;
}

/** What any route can answer with need not be said at each. */
function addSharedProblem(document: OpenAPIObject, type: ProblemType): void {
  for (const path of Object.values(document.paths)) {
    for (const method of METHODS) {
      const operation = path[method];
      if (operation) operation.responses[type.status] = problemResponse([type]) as never;
    }
  }
}

/** `/docs` for people, `/openapi.json` for programs. */
export function serveDocumentation(app: NestFastifyApplication, document: OpenAPIObject): void {
  SwaggerModule.setup('docs', app, document, {
    jsonDocumentUrl: 'openapi.json',
    customSiteTitle: 'Aquaponia',
    swaggerOptions: { persistAuthorization: true, displayRequestDuration: true },
  });
}
