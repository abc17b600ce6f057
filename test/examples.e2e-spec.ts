import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Ajv } from 'ajv';
import sharp from 'sharp';

import { type Answer, Server } from './helpers/server.js';

/* eslint-disable @typescript-eslint/no-explicit-any */

/** What a route takes that is shown once and cannot be foreseen: no example of it can work. */
const SHOWN_ONCE: Record<string, number> = { 'POST /v1/claims': 404 };
const METHODS = ['get', 'post', 'put', 'patch', 'delete'];

interface Step {
  method: string;
  path: string;
  operation: any;
}

let server: Server;
let document: any;

beforeAll(async () => {
  server = await Server.start();
  document = (await server.get('/openapi.json')).body;
});

afterAll(() => server.stop());

const resolve = (schema: any): any =>
  schema?.$ref ? resolve(document.components.schemas[schema.$ref.split('/').at(-1)]) : schema;

/** What Swagger UI fills in. */
function exampleOf(given: any): any {
  const schema = resolve(given?.allOf?.[0] ?? given?.anyOf?.[0] ?? given);
  if (given?.example !== undefined) return given.example;
  if (schema?.example !== undefined) return schema.example;
  if (schema?.type === 'array') return [exampleOf(schema.items)];
  if (!schema?.properties) return undefined;
  const entries = Object.entries(schema.properties).map(([name, property]) => [name, exampleOf(property)]);
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
}

/** OpenAPI 3.0 as JSON Schema: `nullable`, and nothing but what is described. */
function asJsonSchema(given: any): any {
  if (Array.isArray(given)) return given.map(asJsonSchema);
  if (typeof given !== 'object' || given === null) return given;
  if (given.$ref) return asJsonSchema(resolve(given));
  const { nullable, example, ...rest } = given;
  const schema: any = Object.fromEntries(
    Object.entries(rest).map(([key, value]) => [key, asJsonSchema(value)]),
  );
  if (schema.properties && schema.additionalProperties === undefined) schema.additionalProperties = false;
  return nullable ? { anyOf: [{ type: 'null' }, schema] } : schema;
}

const steps = (): Step[] =>
  Object.entries(document.paths).flatMap(([path, operations]) =>
    Object.entries(operations as object)
      .filter(([method]) => METHODS.includes(method))
      .map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
  );

async function send({ method, path, operation }: Step, photo: Buffer): Promise<Answer> {
  let url = path;
  const query = new URLSearchParams();
  for (const parameter of operation.parameters ?? []) {
    const example = parameter.example ?? parameter.schema?.example;
    if (parameter.in === 'path') url = url.replace(`{${parameter.name}}`, String(example));
    else if (example !== undefined) query.set(parameter.name, String(example));
  }
  if (query.size > 0) url += `?${query.toString()}`;
  const content = operation.requestBody?.content;
  if (!content) return server.request(method, url);
  if (content['image/jpeg']) return server.request(method, url, photo, { 'content-type': 'image/jpeg' });
  const [[type, { schema }]] = Object.entries<any>(content) as [[string, any]];
  return server.request(method, url, exampleOf(schema), { 'content-type': type });
}

const plants = (): Promise<Buffer> =>
  sharp({ create: { width: 640, height: 480, channels: 3, background: '#6b4f3a' } })
    .composite([
      {
        input: Buffer.from(
          '<svg width="640" height="480"><circle cx="200" cy="240" r="110" fill="#4f9a3a"/><circle cx="450" cy="240" r="90" fill="#5aa845"/></svg>',
        ),
      },
    ])
    .jpeg()
    .toBuffer();

describe('the Swagger page', () => {
  it('has examples that work from top to bottom, and answers of the shape that it describes', async () => {
    const ajv = new Ajv({ strict: false, allErrors: true });
    const photo = await plants();
    const faults: string[] = [];
    for (const step of steps()) {
      const answer = await send(step, photo);
      const where = `${step.method} ${step.path}`;
      const described = step.operation.responses[answer.status];
      if (SHOWN_ONCE[where] !== undefined) expect([where, answer.status]).toEqual([where, SHOWN_ONCE[where]]);
      else if (answer.status >= 300)
        faults.push(`${where} answers ${answer.status}: ${JSON.stringify(answer.body)}`);
      else if (!described) faults.push(`${where}: ${answer.status} is not described`);
      else if (answer.status !== 204) {
        const [type] = (answer.headers.get('content-type') ?? '').split(';');
        const schema = described.content?.[type!]?.schema;
        if (!schema) faults.push(`${where}: no schema for ${type}`);
        else if (schema.format !== 'binary' && !ajv.validate(asJsonSchema(schema), answer.body)) {
          faults.push(`${where}: ${ajv.errorsText()}`);
        }
      }
    }
    expect(faults).toEqual([]);
  });

  it('describes every error with a code, and an example of it', () => {
    const faults: string[] = [];
    for (const { method, path, operation } of steps()) {
      const statuses = Object.keys(operation.responses).filter((status) => Number(status) >= 400);
      const isPublic = !operation.security;
      if (!isPublic && !(statuses.includes('401') && statuses.includes('403')))
        faults.push(`${method} ${path}: 401, 403`);
      if (operation.requestBody && !statuses.includes('400')) faults.push(`${method} ${path}: 400`);
      if (path.includes('{') && !statuses.includes('404')) faults.push(`${method} ${path}: 404`);
      for (const status of statuses.filter((each) => each !== '503' || !isPublic)) {
        const { examples, schema } = operation.responses[status].content?.['application/problem+json'] ?? {};
        if (!schema || Object.keys(examples ?? {}).length === 0)
          faults.push(`${method} ${path} ${status}: no example`);
      }
    }
    expect(faults).toEqual([]);
  });

  it('has examples of errors that are of the shape that it describes', () => {
    const ajv = new Ajv({ strict: false, allErrors: true });
    const faults: string[] = [];
    for (const { method, path, operation } of steps()) {
      for (const [status, response] of Object.entries<any>(operation.responses)) {
        const { examples, schema } = response.content?.['application/problem+json'] ?? {};
        for (const [code, { value }] of Object.entries<any>(examples ?? {})) {
          const isValid: boolean = ajv.validate(asJsonSchema(schema), value);
          if (!isValid || value.status !== Number(status))
            faults.push(`${method} ${path} ${code}: ${ajv.errorsText()}`);
        }
      }
    }
    expect(faults).toEqual([]);
  });

  it('names what can be wrong with any body of JSON, and each problem once', () => {
    for (const { method, path, operation } of steps()) {
      if (!operation.requestBody?.content['application/json']) continue;
      const codes = Object.values<any>(operation.responses).flatMap((response) =>
        Object.keys(response.content?.['application/problem+json']?.examples ?? {}),
      );
      const described = Object.values<any>(operation.responses)
        .map((response) => response.description as string)
        .join('\n');
      for (const code of ['REQUEST.INVALID', 'BODY.NOT_JSON', 'BODY.TOO_LARGE', 'BODY.MEDIA_TYPE']) {
        expect([method, path, codes.filter((each) => each === code)]).toEqual([method, path, [code]]);
        expect([method, path, described.split(`\`${code}\``).length]).toEqual([method, path, 2]);
      }
    }
  });

  it('describes the results of readings that were refused', () => {
    const { post } = document.paths['/v1/systems/{systemId}/readings'];
    const { schema } = post.responses['422'].content['application/problem+json'];
    const refused = { $ref: '#/components/schemas/ReadingsRefused' };
    expect(schema.anyOf).toContainEqual(refused);
    expect(resolve(refused).required).toEqual(expect.arrayContaining(['code', 'results']));
    const photos = document.paths['/v1/systems/{systemId}/analyses'].post.responses['422'];
    expect(photos.content['application/problem+json'].schema.anyOf).toContainEqual(refused);
  });

  it('says something of every route, parameter and field', () => {
    const faults: string[] = [];
    for (const { method, path, operation } of steps()) {
      if (!operation.summary && !operation.description) faults.push(`${method} ${path}`);
      for (const parameter of operation.parameters ?? []) {
        if (parameter.in === 'path' && (parameter.example ?? parameter.schema.example) === undefined)
          faults.push(`${method} ${path} ${parameter.name}`);
      }
    }
    for (const [name, schema] of Object.entries<any>(document.components.schemas)) {
      for (const [field, property] of Object.entries<any>(schema.properties ?? {})) {
        const isDescribed = [
          property.description,
          property.example,
          property.$ref,
          property.allOf,
          property.items?.$ref,
          property.enum,
        ];
        if (isDescribed.every((each) => each === undefined)) faults.push(`${name}.${field}`);
      }
    }
    expect(faults).toEqual([]);
  });
});
