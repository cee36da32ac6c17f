// Judges the tokens of python/corpus.py as a service with npm's jose would: one verdict a line.
// The first line it writes is its name and version.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { compactVerify, createLocalJWKSet, jwtVerify } from 'jose';

// The package does not export its package.json.
const manifest = path.resolve(import.meta.dirname, '../node_modules/jose/package.json');
// Node's own crypto decides as well.
const node = `Node ${process.versions.node.split('.')[0]}`;
console.log(JSON.stringify(`jose ${JSON.parse(readFileSync(manifest, 'utf8')).version} on ${node}`));

let settings;
let keys;
for await (const line of createInterface({ input: process.stdin })) {
  const value = JSON.parse(line);
  if (value.jwks) {
    settings = value;
    keys = createLocalJWKSet(settings.jwks);
    continue;
  }
  let reason = null;
  try {
    const { algorithms, issuer, audience, leeway: clockTolerance } = settings;
    if (issuer) {
      const options = { algorithms, issuer, audience, clockTolerance, requiredClaims: ['exp'] };
      await jwtVerify(value.token, keys, options);
    } else {
      await compactVerify(value.token, keys, { algorithms });
    }
  } catch (error) {
    reason = `${error.code ?? error.name}: ${error.message}`.slice(0, 200);
  }
  console.log(JSON.stringify({ id: value.id, accepted: reason === null, reason }));
}
