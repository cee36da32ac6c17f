// What both issuers share: fresh keys, the client-credentials grant, and the control server through
// which the tests drive them.

import http from 'node:http';
import { exportJWK, generateKeyPair } from 'jose';

export const audience = 'https://api.test';
export const secret = 's3cret';

let generation = 0;

/** One private JWK for each algorithm; the kid tells the algorithm and the generation apart. */
export async function freshKeys(algorithms) {
  generation += 1;
  return Promise.all(algorithms.map(async (alg) => {
    const options = alg === 'EdDSA' ? { crv: 'Ed25519' } : {};
    const { privateKey } = await generateKeyPair(alg, { extractable: true, ...options });
    return { ...(await exportJWK(privateKey)), kid: `${alg}-${generation}`, use: 'sig', alg };
  }));
}

/** An access token from the issuer's own token endpoint, as any service would ask for it. */
export async function clientCredentials(tokenEndpoint, client, parameters, headers = {}) {
  const response = await fetch(tokenEndpoint, {
    method: 'POST',
    headers: { authorization: `Basic ${btoa(`${client}:${secret}`)}`, ...headers },
    body: new URLSearchParams({ grant_type: 'client_credentials', ...parameters }),
  });
  const body = await response.json();
  if (!response.ok) throw new Error(`token endpoint: ${response.status} ${JSON.stringify(body)}`);
  return body.access_token;
}

export function listen(server, port = 0) {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve(server.address().port));
  });
}

/**
 * Serves the control protocol, tells the parent where, and stays until stdin ends, so that no
 * issuer outlives the test that started it. `issuer` has: issuer, token, rotate, stop, start.
 */
export async function control(issuer, commands = {}) {
  const answers = {
    '/token': (query) => issuer.token(query),
    '/rotate': (query) => issuer.rotate(query.overlap === '1'),
    '/stop-issuer': () => issuer.stop(),
    '/start-issuer': () => issuer.start(),
    ...commands,
  };
  const server = http.createServer(async (request, response) => {
    const url = new URL(request.url, 'http://control');
    try {
      const answer = answers[url.pathname];
      if (!answer) throw new Error(`no such command: ${url.pathname}`);
      response.end(await answer(Object.fromEntries(url.searchParams)));
    } catch (error) {
      console.error(error);
      response.statusCode = 500;
      response.end(String(error));
    }
  });
  const port = await listen(server);
  process.stdin.resume().on('end', async () => {
    await issuer.stop();
    process.exit(0);
  });
  console.log(JSON.stringify({ issuer: issuer.issuer, audience, control: `http://127.0.0.1:${port}` }));
}
