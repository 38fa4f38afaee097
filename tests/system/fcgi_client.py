"""A FastCGI client that can also misbehave (FastCGI specification 1.0, sections 3 and 5)."""
import socket
import struct

import run_cases
from stack import HOOK, TIMEOUT, signature

BEGIN_REQUEST, ABORT_REQUEST, END_REQUEST, PARAMS, STDIN, STDOUT, STDERR = 1, 2, 3, 4, 5, 6, 7
GET_VALUES, GET_VALUES_RESULT, UNKNOWN_TYPE = 9, 10, 11
RESPONDER, KEEP_CONN = 1, 1


def record(kind, content=b"", request=1):
    return struct.pack(">BBHHBx", 1, kind, request, len(content), 0) + content


def length(n):
    return struct.pack(">B", n) if n < 128 else struct.pack(">I", n | 1 << 31)


def pairs(parameters):
    """The encoded name-value pairs of a list of pairs of texts."""
    encoded = [(n.encode(), v.encode()) for n, v in parameters]
    return b"".join(length(len(n)) + length(len(v)) + n + v for n, v in encoded)


def stream(kind, content):
    """All records of a stream, with the empty one that ends it."""
    return b"".join(record(kind, content[i:i + 65000]) for i in range(0, len(content), 65000)) + record(kind)


def begin(keep=True):
    return record(BEGIN_REQUEST, struct.pack(">HB5x", RESPONDER, KEEP_CONN if keep else 0))


def post_parameters(body, **other):
    """Those of a signed POST of JSON, as a dict to change; None leaves one out."""
    return {"REQUEST_METHOD": "POST", "DOCUMENT_URI": HOOK, "QUERY_STRING": "", "CONTENT_TYPE": "application/json",
            "CONTENT_LENGTH": str(len(body)), "HTTP_X_HUB_SIGNATURE_256": signature(body), **other}


def request(parameters, body=b"", keep=True):
    """The bytes of a request; parameters are a dict, or a list of pairs where one is repeated."""
    if isinstance(parameters, dict):
        parameters = [(n, v) for n, v in parameters.items() if v is not None]
    return begin(keep) + stream(PARAMS, pairs(parameters)) + stream(STDIN, body)


def post_request(body, keep=True, **other):
    return request(post_parameters(body, **other), body, keep)


class FastCgi:
    """One connection to the program's unix socket."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))      # waits where a socket with a timeout says that the queue is full
        self.socket.settimeout(TIMEOUT)

    def send(self, data):
        self.socket.sendall(data)

    def receive(self):
        """The answer to a request, or None when the connection ends without one."""
        output = b""
        while True:
            record = self.record()
            if record is None:
                return None
            kind, _, content = record
            if kind == STDOUT:
                output += content
            elif kind == END_REQUEST:
                return self._answer(output)

    def record(self):
        """The next record as type, request id and content, or None at the end of the connection."""
        header = self._read(8)
        if header is None:
            return None
        _, kind, request, size, padding = struct.unpack(">BBHHBx", header)
        return kind, request, self._read(size + padding)[:size]

    def exchange(self, data):
        self.send(data)
        return self.receive()

    def post(self, body, **other):
        return self.exchange(post_request(body, **other))

    def is_cut(self):
        """Waits until the other side closes."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def _read(self, size):
        data = b""
        while len(data) < size:
            try:
                more = self.socket.recv(size - len(data))
            except ConnectionResetError:
                more = b""
            if not more:
                return None
            data += more
        return data

    @staticmethod
    def _answer(output):
        head, _, body = output.partition(b"\r\n\r\n")
        headers = [tuple(line.split(": ", 1)) for line in head.decode().split("\r\n")]
        return run_cases.Answer(int(dict(headers)["Status"].split()[0]), headers, body)

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
