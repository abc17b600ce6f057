import { Injectable } from '@nestjs/common';

/** What one part of the service says of itself; `ready: false` takes this replica out of service. */
export interface HealthReport {
  ready: boolean;
  [fact: string]: unknown;
}

type HealthCheck = () => HealthReport | Promise<HealthReport>;

/** Longer than any part needs, and shorter than those wait who ask. */
const CHECK_MS = 3_000;

/** Where each room says how it is, so that health knows no room. */
@Injectable()
export class HealthRegistry {
  private readonly checks = new Map<string, HealthCheck>();

  register(name: string, check: HealthCheck): void {
    this.checks.set(name, check);
  }

  async report(): Promise<Record<string, HealthReport>> {
    const reports = await Promise.all(
      [...this.checks].map(async ([name, check]) => {
        try {
          return [name, await within(CHECK_MS, check())] as const;
        } catch (error) {
          return [
            name,
            { ready: false, error: error instanceof Error ? error.message : String(error) },
          ] as const;
        }
      }),
    );
    return Object.fromEntries(reports);
  }
}

async function within(
  milliseconds: number,
  answer: HealthReport | Promise<HealthReport>,
): Promise<HealthReport> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${milliseconds / 1000} s`)), milliseconds);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}
