// Checks the built pages against budget.json: what each page makes a visitor fetch, after gzip.
// A page's cost is its HTML, the assets it names and whatever those import, workers included. The script for other
// people's pages is one file.

import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { gzipSync } from 'node:zlib';

const root = new URL('..', import.meta.url).pathname;
const dist = join(root, 'dist');
const budget = JSON.parse(readFileSync(join(root, 'budget.json'), 'utf8'));

const assets = new Map(
  readdirSync(join(dist, 'assets'))
    .filter((name) => !name.endsWith('.map'))
    .map((name) => [name, readFileSync(join(dist, 'assets', name))]),
);
const packed = (bytes) => gzipSync(bytes, { level: 9 }).length;

function reachable(text, seen) {
  for (const [name, bytes] of assets) {
    if (seen.has(name) || !text.includes(basename(name))) continue;
    seen.add(name);
    reachable(bytes.toString('latin1'), seen);
  }
  return seen;
}

let failed = false;
function report(label, size, limit) {
  const over = size > limit;
  failed ||= over;
  console.log(`${over ? 'OVER ' : 'ok   '}${label}: ${size} of ${limit} bytes (gzip)`);
}

for (const [page, limit] of Object.entries(budget.pages)) {
  const html = readFileSync(join(dist, page));
  let size = packed(html);
  for (const name of reachable(html.toString('utf8'), new Set())) size += packed(assets.get(name));
  report(page, size, limit);
}
for (const [name, limit] of Object.entries(budget.scripts)) report(name, packed(readFileSync(join(dist, name))), limit);
report(
  'all assets',
  [...assets.values()].reduce((sum, bytes) => sum + packed(bytes), 0),
  budget.total,
);

if (failed) {
  console.error('A page is over its byte budget. Make it smaller, or raise web/budget.json and say why.');
  process.exit(1);
}
