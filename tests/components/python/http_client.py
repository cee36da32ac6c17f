"""Asks a service over HTTP as one written in Python would.

    http_client.py '[["GET", "http://127.0.0.1:8080/orders", "TOKEN" or null], ...]'

Prints one line of JSON: for each request the status, the challenge (or null), and the body.
"""

import json
import sys
import urllib.error
import urllib.request

# No proxy, whatever the environment says: the service is on this machine.
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
answers = []
for method, url, token in json.loads(sys.argv[1]):
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    request = urllib.request.Request(url, method=method, headers=headers)
    try:
        response = opener.open(request, timeout=20)
    except urllib.error.HTTPError as error:
        response = error
    with response:
        answers.append([response.status, response.headers["WWW-Authenticate"], response.read().decode()])
print(json.dumps(answers))
