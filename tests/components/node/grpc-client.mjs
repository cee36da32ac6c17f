// Calls greeter.Greeter as a Node service would and prints what came back as one JSON line.
//
//   grpc-client.mjs ADDRESS SayHello|SayHellos [AUTHORIZATION ...]

import { realpathSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { credentials, loadPackageDefinition, Metadata, status } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

const [address, method, ...authorization] = process.argv.slice(2);
// Installed as a link, so the way to the example starts from where the file really is.
const here = realpathSync(fileURLToPath(import.meta.url));
const proto = loadSync(path.resolve(here, '../../../../examples/grpc/greeter.proto'));
const client = new (loadPackageDefinition(proto).greeter.Greeter)(address, credentials.createInsecure());

const metadata = new Metadata();
for (const value of authorization) metadata.add('authorization', value);
const options = { deadline: Date.now() + 20_000 };
const messages = [];
const outcome = await new Promise((resolve) => {
  if (method === 'SayHellos') {
    client.SayHellos({ name: 'node' }, metadata, options)
      .on('data', (reply) => messages.push(reply.message))
      .on('error', () => {}) // The status says it too; unheard, an error is thrown.
      .on('status', resolve);
  } else {
    client.SayHello({ name: 'node' }, metadata, options, (_error, reply) => {
      if (reply) messages.push(reply.message);
    }).on('status', resolve);
  }
});
client.close();
console.log(JSON.stringify({
  code: status[outcome.code],
  details: outcome.details,
  messages,
  metadata: outcome.metadata.getMap(),
}));
