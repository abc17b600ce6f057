/** `npm test`: sets up what is missing, then runs every check and every test, and ends with counts. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { NODE, orExplain, PYTHON, ROOT, setUp } from './setup.mjs';

const bin = (name) => join(ROOT, 'node_modules', name);
const python = (...args) => [PYTHON, ['-m', ...args], { cwd: join(ROOT, 'python') }];
const node = (...args) => [NODE, args, {}];

const CHECKS = {
  'formatter (TypeScript)': node(bin('prettier/bin/prettier.cjs'), '--check', '--log-level=warn', '.'),
  'linter (TypeScript)': node(bin('eslint/bin/eslint.js'), '--max-warnings=0', '.'),
  types: node(bin('typescript/bin/tsc'), '--noEmit', '-p', 'tsconfig.spec.json'),
  'dependency direction': node(bin('dependency-cruiser/bin/dependency-cruise.mjs'), 'src'),
  'formatter (Python)': python('ruff', 'format', '--check', '--quiet', '.', '../bench'),
  'linter (Python)': python('ruff', 'check', '--quiet', '.', '../bench'),
  'types (Python)': python('mypy', '--no-error-summary', 'aquaponia', 'train', 'evaluate', 'tests'),
};

function execute([command, args, options], stdio) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: ROOT, stdio, ...options });
    let output = '';
    child.stdout?.on('data', (chunk) => (output += chunk));
    child.stderr?.on('data', (chunk) => (output += chunk));
    child.on('error', (error) => resolve({ ok: false, output: error.message }));
    child.on('close', (code) => resolve({ ok: code === 0, output }));
  });
}

async function runChecks() {
  const results = await Promise.all(
    Object.entries(CHECKS).map(async ([name, command]) => {
      const { ok, output } = await execute(command, ['ignore', 'pipe', 'pipe']);
      console.log(`${ok ? 'ok  ' : 'FAIL'} ${name}`);
      if (!ok) console.log(output.trimEnd());
      return ok;
    }),
  );
  return { passed: results.filter(Boolean).length, failed: results.filter((ok) => !ok).length, skipped: 0 };
}

async function runJest(reports) {
  const report = join(reports, 'jest.json');
  const args = [
    '--experimental-vm-modules',
    '--disable-warning=ExperimentalWarning',
    bin('jest/bin/jest.js'),
  ];
  const { ok } = await execute(
    node(...args, '--json', `--outputFile=${report}`, ...process.argv.slice(2)),
    'inherit',
  );
  return countsOf(ok, () => {
    const { numPassedTests, numFailedTests, numPendingTests, numRuntimeErrorTestSuites } = JSON.parse(
      readFileSync(report, 'utf8'),
    );
    return {
      passed: numPassedTests,
      failed: numFailedTests + numRuntimeErrorTestSuites,
      skipped: numPendingTests,
    };
  });
}

async function runPytest(reports) {
  const report = join(reports, 'pytest.xml');
  const { ok } = await execute(python('pytest', `--junit-xml=${report}`), 'inherit');
  return countsOf(ok, () => {
    const suite = readFileSync(report, 'utf8').match(/<testsuite [^>]*>/)[0];
    const [tests, failures, errors, skipped] = ['tests', 'failures', 'errors', 'skipped'].map((name) =>
      Number(suite.match(new RegExp(` ${name}="(\\d+)"`))[1]),
    );
    return { passed: tests - failures - errors - skipped, failed: failures + errors, skipped };
  });
}

/** A runner that fails without saying which test is a failure all the same. */
function countsOf(ok, read) {
  let counts = { passed: 0, failed: 0, skipped: 0 };
  try {
    counts = read();
  } catch {
    ok = false;
  }
  return ok || counts.failed > 0 ? counts : { ...counts, failed: 1 };
}

orExplain(() => setUp('development'));
const reports = mkdtempSync(join(tmpdir(), 'aquaponia-'));
const parts = [await runChecks(), await runJest(reports), await runPytest(reports)];
rmSync(reports, { recursive: true, force: true });
const sum = (what) => parts.reduce((total, counts) => total + counts[what], 0);
console.log(`\n${sum('passed')} passed, ${sum('failed')} failed, ${sum('skipped')} skipped`);
process.exit(sum('failed') > 0 ? 1 : 0);
