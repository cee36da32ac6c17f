// glewlwyd, an issuer written in C: started on a database of its own, configured over its REST API.
//
//   GET /token?alg=ES256             a token
//   GET /rotate?overlap=1|0          new keys, with or without the old ones beside them
//   GET /stop-issuer, /start-issuer  ends the process, starts it again on the same port and database

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { audience, clientCredentials, control, freshKeys, listen, secret } from './issuer.mjs';

const schema = '/usr/share/dbconfig-common/data/glewlwyd/install/sqlite3';
const algorithms = ['RS256', 'PS256', 'ES256', 'EdDSA'];

const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'glewlwyd-'));
process.on('exit', () => fs.rmSync(directory, { recursive: true, force: true }));

// It cannot pick a port itself.
const probe = net.createServer();
const port = await listen(probe);
await new Promise((resolve) => probe.close(resolve));

const origin = `http://127.0.0.1:${port}`;
const api = `${origin}/api`;
const issuer = `${api}/oidc`;
const configuration = path.join(directory, 'glewlwyd.conf');
const database = path.join(directory, 'glewlwyd.db');

execFileSync('sqlite3', [database], { input: fs.readFileSync(schema) });
fs.writeFileSync(configuration, `
bind_address = "127.0.0.1"
port = ${port}
external_url = "${origin}"
api_prefix = "api"
log_mode = "console"
log_level = "ERROR"
session_key = "session"
admin_scope = "g_admin"
profile_scope = "g_profile"
user_module_path = "/usr/lib/glewlwyd/user"
client_module_path = "/usr/lib/glewlwyd/client"
user_auth_scheme_module_path = "/usr/lib/glewlwyd/scheme"
plugin_module_path = "/usr/lib/glewlwyd/plugin"
hash_algorithm = "SHA512"
database = { type = "sqlite3"; path = "${database}"; };
`);

let child;
let gone;
let cookie;
let keys = await freshKeys(algorithms);

async function start() {
  // Its log goes to stderr with ours: stdout is for one line only.
  child = spawn('glewlwyd', ['--config-file', configuration], { stdio: ['ignore', 2, 2] });
  gone = once(child, 'exit');
  // It says nothing when it is ready, so ask until it answers.
  while (!await fetch(`${origin}/config`).catch(() => false)) {
    if (child.exitCode !== null) throw new Error(`glewlwyd ended with ${child.exitCode}`);
    await sleep(20);
  }
  const login = await rest('POST', '/auth/', { username: 'admin', password: 'password' });
  cookie = login.headers.get('set-cookie').split(';')[0];
}

async function stop() {
  child.kill();
  await gone;
}

async function rest(method, resource, body) {
  const response = await fetch(api + resource, {
    method,
    headers: { 'content-type': 'application/json', ...(cookie && { cookie }) },
    body: body && JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`${method} ${resource}: ${response.status} ${await response.text()}`);
  return response;
}

function plugin() {
  return {
    module: 'oidc',
    name: 'oidc',
    display_name: 'oidc',
    order_rank: 0,
    parameters: {
      iss: issuer,
      'jwt-type': 'ecdsa',
      'jwt-key-size': '256',
      'jwks-private': JSON.stringify({ keys }),
      'jwks-show': true,
      'default-kid': keys[0].kid,
      'client-sign_kid-parameter': 'sign_kid',
      'access-token-duration': 3600,
      'refresh-token-duration': 3600,
      'code-duration': 60,
      'refresh-token-rolling': true,
      'allow-non-oidc': true,
      'auth-type-code-enabled': true,
      'auth-type-token-enabled': false,
      'auth-type-id-token-enabled': false,
      'auth-type-password-enabled': false,
      'auth-type-client-enabled': true,
      'auth-type-refresh-enabled': true,
      'resource-allowed': true,
      'resource-scope': { 'orders:read': [audience] },
      'resource-client-property': '',
      'resource-scope-and-client-property': false,
      'client-cert-use-endpoint-aliases': false,
    },
  };
}

/** The client chooses the algorithm: it names the key that signs its tokens. */
function client(alg) {
  return {
    client_id: `svc-${alg}`,
    name: `svc-${alg}`,
    confidential: true,
    enabled: true,
    client_secret: secret,
    authorization_type: ['client_credentials'],
    token_endpoint_auth_method: ['client_secret_basic'],
    redirect_uri: [],
    scope: ['orders:read'],
    sign_kid: keys.find((key) => key.alg === alg).kid,
  };
}

async function configure() {
  const module = await (await rest('GET', '/mod/client/database')).json();
  module.parameters['data-format'].sign_kid = { multiple: false, read: true, write: true };
  await rest('PUT', '/mod/client/database', module);
  await rest('PUT', '/mod/client/database/reset');
  await rest('POST', '/mod/plugin/', plugin());
  await rest('POST', '/scope/', { name: 'orders:read', display_name: 'orders:read', password_required: false, scheme: {} });
  for (const alg of algorithms) await rest('POST', '/client/?source=database', client(alg));
}

process.on('exit', () => child?.kill());
await start();
await configure();
await control({
  issuer,
  token: ({ alg }) => clientCredentials(
    `${issuer}/token`, `svc-${alg}`, { resource: audience, scope: 'orders:read' },
  ),
  async rotate(overlap) {
    const fresh = await freshKeys(algorithms);
    // One generation back: glewlwyd takes at most 16k characters of settings.
    keys = overlap ? [...fresh, ...keys.slice(0, algorithms.length)] : fresh;
    await rest('PUT', '/mod/plugin/oidc', plugin());
    await rest('PUT', '/mod/plugin/oidc/reset');
    for (const alg of algorithms) await rest('PUT', `/client/svc-${alg}?source=database`, client(alg));
  },
  stop,
  start,
});
