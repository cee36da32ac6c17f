// oidc-provider as an issuer of RFC 9068 access tokens, over plain HTTP on loopback.
//
//   GET /token?alg=ES256[&header={..}&payload={..}]   a token; the members given replace the real ones
//   GET /rotate?overlap=1|0                           new keys, with or without the old ones beside them
//   GET /fault?mode=ok|500|hang|reset                 what the JWK Set endpoint does from now on
//   GET /stats                                        requests so far, by path, and by path with its query
//   GET /stop-issuer, /start-issuer                   closes the listener, opens it again on its port

import http from 'node:http';

// On stdout this says which Node.js versions are supported; stdout is for one line only.
console.info = console.warn = console.error;
const { Provider } = await import('oidc-provider');
const { audience, clientCredentials, control, freshKeys, listen, secret } = await import('./issuer.mjs');

const algorithms = ['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA'];

function provider(issuer, keys) {
  return new Provider(issuer, {
    jwks: { keys },
    scopes: ['orders:read', 'orders:write'],
    // The client chooses the algorithm, so that every token is for the same audience.
    clients: algorithms.map((alg) => ({
      client_id: `svc-${alg}`,
      client_secret: secret,
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
    })),
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_ctx, resource, client) => ({
          scope: 'orders:read orders:write',
          audience: resource,
          accessTokenTTL: 3600,
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: client.clientId.slice('svc-'.length) } },
        }),
      },
    },
    formats: {
      customizers: {
        // `null` takes a member away.
        jwt(ctx, _token, parts) {
          parts.header = without(JSON.parse(ctx.get('x-header') || '{}'));
          Object.assign(parts.payload, without(JSON.parse(ctx.get('x-payload') || '{}')));
        },
      },
    },
  }).callback();
}

function without(members) {
  return Object.fromEntries(Object.entries(members).map(([name, value]) => [name, value ?? undefined]));
}

const faults = {
  ok: (request, response) => handler(request, response),
  500: (_request, response) => { response.statusCode = 500; response.end('fault'); },
  hang: () => {},
  reset: (request) => request.socket.destroy(),
};
let fault = faults.ok;
const stats = {};
let handler;

const server = http.createServer((request, response) => {
  const [path] = request.url.split('?');
  // The query tells clients apart; the provider does not look at it.
  for (const key of new Set([path, request.url])) stats[key] = (stats[key] ?? 0) + 1;
  (path === '/jwks' ? fault : faults.ok)(request, response);
});
const port = await listen(server);
const issuer = `http://127.0.0.1:${port}`;
let keys = await freshKeys(algorithms);
handler = provider(issuer, keys);

await control({
  issuer,
  token: ({ alg, header = '', payload = '' }) => clientCredentials(
    `${issuer}/token`, `svc-${alg}`, { resource: audience, scope: 'orders:read' },
    { 'x-header': header, 'x-payload': payload },
  ),
  // A provider cannot change its keys, so a new one takes over. The first key that fits signs.
  async rotate(overlap) {
    const fresh = await freshKeys(algorithms);
    keys = overlap ? [...fresh, ...keys] : fresh;
    handler = provider(issuer, keys);
  },
  stop: () => new Promise((resolve) => {
    server.close(resolve);
    server.closeAllConnections();
  }),
  start: async () => { await listen(server, port); },
}, {
  '/fault'({ mode }) {
    if (!faults[mode]) throw new Error(`no such fault: ${mode}`);
    fault = faults[mode];
  },
  '/stats': () => JSON.stringify(stats),
});
