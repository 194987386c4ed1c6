"""How each protocol says that something went wrong."""

OLLAMA, OPENAI, ANTHROPIC = "ollama", "openai", "anthropic"

QUEUE_FULL = "server busy, please try again.  maximum pending requests exceeded"

_MESSAGES = {
    400: "the request is not valid", 401: "the key is not valid", 402: "payment is required",
    403: "the key may not use this", 404: "there is no such thing", 409: "conflict", 413: "the request is too large",
    429: "too many requests", 500: "something broke", 502: "the server behind this one failed", 503: "not available now",
    504: "took too long", 529: "overloaded",
}
_OPENAI_TYPES = {
    400: ("invalid_request_error", None), 401: ("invalid_request_error", "invalid_api_key"),
    403: ("permission_error", None), 404: ("invalid_request_error", "model_not_found"),
    429: ("rate_limit_error", "rate_limit_exceeded"), 503: ("unavailable_error", None),
}
_ANTHROPIC_TYPES = {
    400: "invalid_request_error", 401: "authentication_error", 402: "billing_error", 403: "permission_error",
    404: "not_found_error", 409: "conflict_error", 413: "request_too_large", 429: "rate_limit_error",
    500: "api_error", 504: "timeout_error", 529: "overloaded_error",
}


def protocol_of(path, headers):
    """Whose shape an answer on this path has."""
    if path.startswith("/v1/messages") or (path.startswith("/v1/models") and headers.get("anthropic-version")):
        return ANTHROPIC
    return OPENAI if path.startswith(("/v1/", "/health", "/props", "/slots", "/metrics")) else OLLAMA


def body(protocol, status, message=None, kind=None, code=None, details=None, request_id="req_simulated"):
    """The JSON body of an error."""
    message = message or _MESSAGES.get(status, "status %d" % status)
    if protocol == OLLAMA:
        return {"error": message}
    if protocol == OPENAI:
        default_kind, default_code = _OPENAI_TYPES.get(status, ("api_error", None))
        return {"error": {"message": message, "type": kind or default_kind, "param": None,
                          "code": code or default_code}}
    error = {"type": kind or _ANTHROPIC_TYPES.get(status, "api_error"), "message": message}
    if details:
        error["details"] = details
    return {"type": "error", "error": error, "request_id": request_id}


class ApiError(Exception):
    """Ends a request before its answer began."""

    def __init__(self, status, message=None, **more):
        super().__init__(message)
        self.status, self.message, self.more = status, message, more
        self.headers = {}
