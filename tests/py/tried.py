"""What schemathesis does not know of this service: how pushes are signed, and what the parts of an event are."""

import base64
import hashlib
import os
import time

import jwt
import requests
import schemathesis


HEADER = "Upstash-Signature"
# What schemathesis is given for a signature; whatever else it sends in its place stays as it is.
TO_BE_SIGNED = "to-be-signed"
EVENT = {
    "type": "object",
    "required": ["id", "data"],
    "properties": {"id": {"type": "string", "minLength": 1}, "data": {"type": "string", "minLength": 2}},
}


class Signed(requests.auth.AuthBase):
    """QStash's signature over the body as it is sent, for the address it is sent to."""

    def __call__(self, request):
        if request.headers.get(HEADER) != TO_BE_SIGNED:
            return request
        body = request.body or b""
        body = body.encode() if isinstance(body, str) else body
        now = int(time.time())
        claims = {
            "iss": "Upstash",
            "sub": request.url,
            "iat": now,
            "nbf": now,
            "exp": now + 300,
            "jti": "jwt_tried",
            "body": base64.urlsafe_b64encode(hashlib.sha256(body).digest()).decode(),
        }
        request.headers[HEADER] = jwt.encode(claims, os.environ["SIGNING_KEY"], algorithm="HS256")
        return request


@schemathesis.hook
def before_load_schema(context, raw_schema):
    """The document describes a stream's text, as its version can; schemathesis reads a stream event by event."""
    events = raw_schema["paths"]["/api/process-klap/events"]["get"]
    events["responses"]["200"]["content"]["text/event-stream"]["schema"] = EVENT


@schemathesis.hook
def before_call(context, case, kwargs):
    """The signature is of what is sent, so it is made last."""
    kwargs["auth"] = Signed()
