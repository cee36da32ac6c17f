// Asks a service over HTTP as one written for Node would.
//
//   node http-client.mjs '[["GET", "http://127.0.0.1:8080/orders", "TOKEN" or null], ...]'
//
// Prints one line of JSON: for each request the status, the challenge (or null), and the body.

const answers = [];
for (const [method, url, token] of JSON.parse(process.argv[2])) {
  const headers = token === null ? {} : { authorization: `Bearer ${token}` };
  const response = await fetch(url, { method, headers });
  answers.push([response.status, response.headers.get('www-authenticate'), await response.text()]);
}
console.log(JSON.stringify(answers));
