// A client of the Model Context Protocol that knows the address of a server and its own credentials.
//
//   node mcp-client.mjs SERVER CLIENT_ID ISSUER TOOL [SCOPE]
//
// Prints one line of JSON: the addresses that it asked, with the answers, and what the tool said; or
// the error. The SDK does everything: the 401, the metadata it points at, the issuer, the token, and the
// second token after a 403, for which this client lets it ask for the scopes of the challenge.

import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { ClientCredentialsProvider } from '@modelcontextprotocol/sdk/client/auth-extensions.js';
import { extractWWWAuthenticateParams } from '@modelcontextprotocol/sdk/client/auth.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { secret } from './issuer.mjs';

const [server, clientId, expectedIssuer, tool, scope] = process.argv.slice(2);
const asked = [];

const authProvider = new ClientCredentialsProvider({ clientId, clientSecret: secret, expectedIssuer, scope });
const transport = new StreamableHTTPClientTransport(new URL(server), {
  authProvider,
  async fetch(url, init) {
    const response = await fetch(url, init);
    asked.push(`${init?.method ?? 'GET'} ${url} ${response.status}`);
    if (response.status === 403) authProvider.clientMetadata.scope = extractWWWAuthenticateParams(response).scope;
    return response;
  },
});
const client = new Client({ name: 'portcullis-tests', version: '0' });
let outcome;
try {
  await client.connect(transport);
  const { tools } = await client.listTools();
  const { content } = await client.callTool({ name: tool, arguments: {} });
  outcome = { tools: tools.map((tool) => tool.name), said: content[0].text };
  await client.close();
} catch (error) {
  outcome = { error: String(error) };
}
console.log(JSON.stringify({ asked, ...outcome }));
process.exit(0);
