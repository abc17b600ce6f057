import { Injectable } from '@nestjs/common';

/** What one part of the service says of itself; `ready: false` takes this replica out of service. */
export interface HealthReport {
  ready: boolean;
  [fact: string]: unknown;
}

type HealthCheck = () => HealthReport | Promise<HealthReport>;

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
          return [name, await check()] as const;
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
