// Makes a key and a token for each algorithm and exports the public key as its library does.
//
//   producer.mjs jose|jsonwebtoken ISSUER AUDIENCE ALGORITHM...
//
// One line of JSON with name and version, then one for each algorithm: a token and a JWK, or an error.

import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import jsonwebtoken from 'jsonwebtoken';

const [library, issuer, audience, ...algorithms] = process.argv.slice(2);
const now = Math.floor(Date.now() / 1000);
const claims = { iss: issuer, aud: audience, sub: 'alice', iat: now, exp: now + 600 };

async function jose(alg) {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  const token = await new SignJWT(claims).setProtectedHeader({ alg, typ: 'at+jwt' }).sign(privateKey);
  return { token, jwk: await exportJWK(publicKey) };
}

// It has no keys of its own; Node's are what one signs with.
function withNodeKeys(alg) {
  const curve = { ES256: 'P-256', ES384: 'P-384', ES512: 'P-521' }[alg];
  let kind = alg.toLowerCase();
  if (/^[RP]S/.test(alg)) kind = 'rsa';
  if (curve) kind = 'ec';
  if (alg === 'EdDSA') kind = 'ed25519';
  const { privateKey, publicKey } = generateKeyPairSync(kind, { modulusLength: 2048, namedCurve: curve });
  return { token: jsonwebtoken.sign(claims, privateKey, { algorithm: alg }), jwk: publicKey.export({ format: 'jwk' }) };
}

// The packages do not all export their package.json.
const manifest = path.resolve(import.meta.dirname, `../node_modules/${library}/package.json`);
console.log(JSON.stringify(`node ${library} ${JSON.parse(readFileSync(manifest, 'utf8')).version}`));
for (const alg of algorithms) {
  let made;
  try {
    made = await { jose, jsonwebtoken: withNodeKeys }[library](alg);
  } catch (error) {
    made = { error: `${error.name}: ${error.message}` };
  }
  console.log(JSON.stringify({ alg, ...made }));
}
