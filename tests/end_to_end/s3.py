"""A client of S3 that signs requests itself. Only the standard library."""
import base64
import hashlib
import http.client
import time
import urllib.parse
import xml.etree.ElementTree

from daemon import REGION, Answer, Client, Lost, Refused, _sign

SPACE = "{http://s3.amazonaws.com/doc/2006-03-01/}"


class S3Client(Client):
    def s3(self, method, bucket, key="", query=None, body=b"", headers=None):
        """Status, headers and bytes; Refused for what is no success."""
        body = body.encode() if isinstance(body, str) else body
        path = "/" + bucket + ("/" + urllib.parse.quote(key, safe="/-_.~") if key else "")
        pairs = sorted((urllib.parse.quote(k, safe="-_.~"), urllib.parse.quote(str(v), safe="-_.~")) for k, v in (query or {}).items())
        search = "&".join(f"{k}={v}" for k, v in pairs)
        sent = {"host": self.host, "x-amz-content-sha256": hashlib.sha256(body).hexdigest(), **(headers or {})}
        if "x-amz-checksum-sha256" not in sent and body:
            sent["content-md5"] = _md5(body)
        self._sign(method, path, search, sent)
        status, answered, data = self._exchange(method, path + ("?" + search if search else ""), sent, body)
        if status >= 300:
            raise Refused(status, data.decode(errors="replace"), answered)
        return status, answered, data

    def document(self, method, bucket, key="", query=None, body=b"", headers=None):
        """The XML of an answer, as Answer has it."""
        _, _, data = self.s3(method, bucket, key, query, body, headers)
        answer = Answer()
        answer.xml = xml.etree.ElementTree.fromstring(data)
        for element in answer.xml.iter():
            if element.text:
                answer[element.tag.rsplit("}", 1)[-1]] = element.text
        return answer

    def keys(self, bucket, prefix=""):
        """Of all objects, by pages."""
        token = None
        while True:
            query = {"list-type": "2", "prefix": prefix, **({"continuation-token": token} if token else {})}
            page = self.document("GET", bucket, query=query)
            for entry in page.xml.iter(SPACE + "Contents"):
                yield entry.find(SPACE + "Key").text
            token = page.get("NextContinuationToken")
            if not token:
                return

    def _exchange(self, method, target, headers, body):
        try:
            self.connection.request(method, target, body=body, headers=headers)
            response = self.connection.getresponse()
            return response.status, {k.lower(): v for k, v in response.headers.items()}, response.read()
        except (OSError, http.client.HTTPException) as error:
            self.connection.close()
            raise Lost(str(error)) from error

    def _sign(self, method, path, search, headers):
        now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        headers["x-amz-date"] = now
        names = ";".join(sorted(headers))
        canonical = "\n".join([method, path, search, *(f"{name}:{headers[name]}" for name in names.split(";")), "", names,
                               headers["x-amz-content-sha256"]])
        scope = f"{now[:8]}/{REGION}/s3/aws4_request"
        key = ("AWS4" + self.secret_key).encode()
        for part in scope.split("/"):
            key = _sign(key, part)
        signature = _sign(key, "\n".join(["AWS4-HMAC-SHA256", now, scope, hashlib.sha256(canonical.encode()).hexdigest()])).hex()
        headers["authorization"] = f"AWS4-HMAC-SHA256 Credential={self.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"


def _md5(body):
    return base64.b64encode(hashlib.md5(body).digest()).decode()
