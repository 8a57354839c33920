"""Sends each request in one piece, and prints the status of each response on a line.

Standard input is JSON: {"url": ..., "times": ..., "requests": [{"method", "target", "headers", "bytes", "chunked"}]}.
"""

import http.client
import json
import sys
from urllib.parse import urlsplit


def status(address, request):
    connection = http.client.HTTPConnection(address, timeout=60)
    body = b"x" * request["bytes"]
    try:
        connection.request(
            request["method"],
            request["target"],
            iter([body]) if request["chunked"] else body,
            request["headers"],
            encode_chunked=request["chunked"],
        )
        response = connection.getresponse()
        response.read()
        return response.status
    except OSError as error:
        return repr(error)
    finally:
        connection.close()


work = json.load(sys.stdin)
for request in work["requests"]:
    for _ in range(work["times"]):
        print(status(urlsplit(work["url"]).netloc, request))
