"""What the cases share: buckets, `s3am` in a child process, servers that play what public reports describe, and mounts.

A case is a script. It ends well (the behaviour was right), or by `wrong(...)`, or by `cannot(...)` where this machine lacks something.
"""

import contextlib, ftplib, hashlib, http.client, http.server, itertools, json, os, pathlib, re, shlex, shutil, signal, socket, socketserver
import subprocess, sys, tempfile, textwrap, threading, time, urllib.parse, urllib.request
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

MIB = 1 << 20
PY = sys.executable
S3AM = str(Path(PY).parent / "s3am")
WARM = shlex.split(os.environ.get("CASES_WARM", ""))
TMP = Path(os.environ["TMPDIR"])
SERVER = os.environ["AWS_ENDPOINT_URL"]
_count = itertools.count()


def wrong(why):
    print("WRONG: " + " ".join(str(why).split()), flush=True)
    sys.stderr.flush()
    os._exit(3)


def cannot(why):
    print("CANNOT: " + why, flush=True)
    os._exit(77)


def need(condition, why):
    if not condition:
        wrong(why() if callable(why) else why)


def client(url=None):
    return boto3.client(
        "s3",
        endpoint_url=url or SERVER,
        aws_access_key_id=os.environ["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=os.environ["AWS_SECRET_ACCESS_KEY"],
        region_name="us-east-1",
        config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 2}),
    )


S3 = client()


def use_moto():
    """From here on everything talks to moto, which keeps what the other server does not (KMS, archive classes, keys that end in /)."""
    global S3, SERVER
    SERVER = os.environ["AWS_ENDPOINT_URL"] = os.environ["CASES_MOTO"]
    S3 = client()


def bucket():
    name = f"c{os.getpid()}-{next(_count)}-{os.urandom(3).hex()}"
    S3.create_bucket(Bucket=name)
    return name


def put(bucket, key, data, **more):
    return S3.put_object(Bucket=bucket, Key=key, Body=data, **more)


def get(bucket, key):
    try:
        return S3.get_object(Bucket=bucket, Key=key)["Body"].read()
    except ClientError:
        return None


def head(bucket, key):
    try:
        return S3.head_object(Bucket=bucket, Key=key)
    except ClientError:
        return None


def keys(bucket, prefix=""):
    return [o["Key"] for o in S3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])]


def unfinished(bucket, key=None):
    """[(key, upload id, number of parts)]"""
    return [
        (
            u["Key"],
            u["UploadId"],
            len(S3.list_parts(Bucket=bucket, Key=u["Key"], UploadId=u["UploadId"]).get("Parts", [])),
        )
        for u in S3.list_multipart_uploads(Bucket=bucket).get("Uploads", [])
        if key in (None, u["Key"])
    ]


def file(name, data):
    path = TMP / name
    path.write_bytes(data)
    return path


class Result:
    def __init__(self, rc, out, err, wall):
        self.rc, self.out, self.err, self.wall = rc, out, err, wall

    @property
    def hung(self):
        return self.rc is None

    @property
    def last(self):
        text = (self.err.strip() or self.out.strip()).splitlines()
        return (
            f"exit {self.rc}: {text[-1][:220] if text else ''}" if not self.hung else f"nothing after {self.wall:.0f} s"
        )

    @property
    def said(self):
        return self.out + self.err


def run(command, *, timeout=50, env=None, stdin=None, **more):
    began = time.monotonic()
    child = subprocess.Popen(
        [str(word) for word in command],
        env={**os.environ, **(env or {})},
        stdin=stdin or subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **more,
    )
    try:
        out, err = child.communicate(timeout=timeout)
        rc = child.returncode
    except subprocess.TimeoutExpired:
        child.kill()
        out, err = child.communicate()
        rc = None
    return Result(rc, out.decode(errors="replace"), err.decode(errors="replace"), time.monotonic() - began)


def s3am_command(words):
    """`s3am WORDS`: by a fork of a process that has imported it, except for what stays after the command (test_cases.py finds that by
    what it was started with)."""
    return [S3AM, *words] if words[0] == "mount" or not WARM else [*WARM, "s3am", *words]


def s3am(*words, **more):
    return run(s3am_command(words), **more)


def start(*words, env=None, stdin=None, **more):
    return subprocess.Popen(
        [*map(str, s3am_command(words))],
        env={**os.environ, **(env or {})},
        stdin=stdin or subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **more,
    )


def finish(child, timeout=50):
    began = time.monotonic()
    try:
        out, err = child.communicate(timeout=timeout)
        return Result(
            child.returncode, out.decode(errors="replace"), err.decode(errors="replace"), time.monotonic() - began
        )
    except subprocess.TimeoutExpired:
        child.kill()
        out, err = child.communicate()
        return Result(None, out.decode(errors="replace"), err.decode(errors="replace"), time.monotonic() - began)


def program(code, *arguments, **more):
    """A Python program of its own; `fs` is a file system, `path` its first argument."""
    code = "import os, sys, time\nfrom s3amfs import S3AMFileSystem\n" + textwrap.dedent(code)
    return run([PY, "-c", code, *arguments], **more)


def filesystem(endpoint=None, **more):
    from s3amfs import S3AMFileSystem

    return S3AMFileSystem(endpoint_url=endpoint or SERVER, skip_instance_cache=True, **more)


def wait_for(condition, timeout=30.0):
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False


def within(seconds, function):
    """(value, None), (None, exception) or (None, 'hung')"""
    box = []

    def go():
        try:
            box.append((function(), None))
        except BaseException as e:
            box.append((None, e))

    thread = threading.Thread(target=go, daemon=True)
    thread.start()
    thread.join(seconds)
    return box[0] if box else (None, "hung")


# ---------------------------------------------------------------- HTTP servers


class _Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        pass


class Request:
    """One request as it came; status: what was answered, 0 while it waits."""

    def __init__(self, method, path, headers, body):
        self.method, self.path, self.headers, self.body, self.status = method, path, headers, body, 0


class Web:
    """handler(request) -> (status, [(header, value)], body); a request has .method .path .headers .body; a header ("x-no-length", "1")
    ends the answer by closing, ("x-chunked", "1") sends it in chunks. .log: the requests that were read, .begun: methods of all that came."""

    def __init__(self, handler):
        self.log, self.begun, web = [], [], self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *a):
                pass

            def handle_expect_100(self):
                self.send_response_only(100)
                self.end_headers()
                return True

            def do(self):
                web.begun.append(self.command)
                if "chunked" in (self.headers.get("Transfer-Encoding") or ""):
                    body = []
                    while n := int(self.rfile.readline().split(b";")[0], 16):
                        body.append(self.rfile.read(n))
                        self.rfile.readline()
                    self.rfile.readline()
                    body = b"".join(body)
                else:
                    body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                r = Request(self.command, self.path, self.headers, body)
                web.log.append(r)
                status, headers, body = handler(r)
                r.status, r.body = status, None
                names = {name.lower() for name, _ in headers}
                self.send_response_only(status)
                for name, value in headers:
                    if not name.startswith("x-no-length") and not name.startswith("x-chunked"):
                        self._headers_buffer.append(
                            name.encode()
                            + b": "
                            + (value if isinstance(value, bytes) else value.encode("latin-1"))
                            + b"\r\n"
                        )
                chunked = "x-chunked" in names and self.command != "HEAD"
                if chunked:
                    self.send_header("Transfer-Encoding", "chunked")
                elif "x-no-length" in names:
                    self.close_connection = True
                    self.send_header("Connection", "close")
                elif "content-length" not in names and status not in (204, 304):
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    if chunked:
                        self.wfile.write((b"%x\r\n%s\r\n" % (len(body), body) if body else b"") + b"0\r\n\r\n")
                    else:
                        self.wfile.write(body)

            do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do

        self.server = _Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def of(self, *kinds):
        return [r for r in self.log if kind(r) in kinds]

    def count(self, *kinds):
        return len(self.of(*kinds))


JANUARY = ("Mon, 05 Jan 2026 10:00:00 GMT", "Tue, 06 Jan 2026 10:00:00 GMT")


def span(request):
    """(first, last or None) of a Range, or None"""
    m = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("Range") or "")
    return (int(m[1]), int(m[2]) if m[2] else None) if m else None


def ranged(request, data, headers=(), etag='"v1"', modified=JANUARY[0]):
    """What an ordinary web server answers."""
    told = [("Accept-Ranges", "bytes"), *headers]
    if etag:
        told.append(("ETag", etag))
    if modified:
        told.append(("Last-Modified", modified))
    if wanted := span(request):
        first = wanted[0]
        last = min(len(data) - 1 if wanted[1] is None else wanted[1], len(data) - 1)
        return 206, [*told, ("Content-Range", f"bytes {first}-{last}/{len(data)}")], data[first : last + 1]
    return 200, told, data


def s3_error(status, code, message="made up by the case", headers=()):
    return (
        status,
        [("Content-Type", "application/xml"), *headers],
        (
            f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>{message}</Message></Error>'
        ).encode(),
    )


def kind(r):
    """The class of an S3 request."""
    path, _, query = r.path.partition("?")
    asked = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
    key, copies = path.lstrip("/").partition("/")[2], r.headers.get("x-amz-copy-source")
    if "uploadId" in asked:
        return {
            "PUT": "CopyPart" if copies else "UploadPart",
            "POST": "Complete",
            "DELETE": "Abort",
            "GET": "ListParts",
        }.get(r.method, "Other")
    if "uploads" in asked:
        return {"POST": "Create", "GET": "ListUploads"}.get(r.method, "Other")
    for name in ("location", "attributes", "tagging", "delete"):
        if name in asked:
            return name.title()
    if not key:
        return {"GET": "List", "HEAD": "HeadBucket"}.get(r.method, "Other")
    if r.method == "PUT":
        return "Copy" if copies else "Put"
    return {"GET": "Get", "HEAD": "Head", "DELETE": "Delete"}.get(r.method, "Other")


def key_of(r):
    return urllib.parse.unquote(r.path.partition("?")[0]).lstrip("/").partition("/")[2]


def part_of(r):
    return int(urllib.parse.parse_qs(r.path.partition("?")[2]).get("partNumber", ["0"])[0])


def proxy(before=None, after=None):
    """A server in front of the S3 server. before(request) -> None or an answer of its own; after(request, status, headers, body) -> an answer."""
    upstream = urllib.parse.urlsplit(SERVER)

    def handle(r):
        if before is not None and (answer := before(r)) is not None:
            return answer
        c = http.client.HTTPConnection(upstream.hostname, upstream.port, timeout=60)
        c.putrequest(r.method, r.path, skip_host=True, skip_accept_encoding=True)
        for name, value in r.headers.items():
            if name.lower() not in ("connection", "expect", "transfer-encoding"):
                c.putheader(name, value.encode("latin-1"))
        c.endheaders()
        if r.body:
            c.send(r.body)
        a = c.getresponse()
        body = a.read()
        headers = [
            (n, v) for n, v in a.getheaders() if n.lower() not in ("connection", "transfer-encoding", "content-length")
        ]
        if (r.method == "HEAD" or body == b"") and a.status != 204:
            headers.append(("Content-Length", a.getheader("Content-Length") or "0"))
        c.close()
        return (a.status, headers, body) if after is None else after(r, a.status, headers, body)

    return Web(handle)


def slow(kinds, seconds=2.5, times=99):
    """A proxy that holds requests of these classes back; .held says that one waits."""
    left = [times]

    def before(r):
        if kind(r) in kinds and left[0] > 0:
            left[0] -= 1
            p.held.set()
            time.sleep(seconds)

    p = proxy(before)
    p.held = threading.Event()
    return p


class Fake:
    """An S3 server in memory that checks no signature and takes no checksum trailers' values; it plays what it is told:
    etag(hex) -> what an ETag looks like, part_etag the same for parts; refuse(request) -> an answer or None; copy='range-ignored' or
    'source-ignored': how UploadPartCopy misbehaves; equal_parts: all parts but the last must be equal; keep=False: bodies are counted, not kept."""

    def __init__(self, etag=None, part_etag=None, refuse=None, copy="", extra=(), equal_parts=False, keep=True):
        self.objects, self.uploads, self.copy, self.extra = {}, {}, copy, list(extra)
        self.etag, self.part_etag, self.refuse = etag or (lambda h: h), part_etag or (lambda h: h), refuse
        self.equal_parts, self.keep = equal_parts, keep
        self.web = Web(self.handle)
        self.url = self.web.url
        self.env = {"AWS_ENDPOINT_URL": self.url}

    def put(self, key, data, etag=None):
        self.objects[key] = (data, etag if etag is not None else self.etag(hashlib.md5(data).hexdigest()))

    def get(self, key):
        return self.objects[key][0] if key in self.objects else None

    def body(self, r):
        if "aws-chunked" not in (r.headers.get("Content-Encoding") or "") and "STREAMING" not in (
            r.headers.get("x-amz-content-sha256") or ""
        ):
            return r.body
        out, at = [], 0
        while True:
            end = r.body.index(b"\r\n", at)
            n = int(r.body[at:end].split(b";")[0], 16)
            if n == 0:
                return b"".join(out)
            out.append(r.body[end + 2 : end + 2 + n])
            at = end + 2 + n + 2

    def xml(self, text):
        return (
            200,
            [("Content-Type", "application/xml"), *self.extra],
            ('<?xml version="1.0" encoding="UTF-8"?>' + text).encode(),
        )

    def source(self, r):
        return self.objects[
            urllib.parse.unquote(r.headers["x-amz-copy-source"]).lstrip("/").partition("/")[2].partition("?")[0]
        ][0]

    def handle(self, r):
        if self.refuse and (answer := self.refuse(r)) is not None:
            return answer
        path, _, query = r.path.partition("?")
        q = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
        key, what = key_of(r), kind(r)
        if what == "ListUploads":
            return self.xml(
                "<ListMultipartUploadsResult><IsTruncated>false</IsTruncated>"
                + "".join(
                    f"<Upload><Key>{k}</Key><UploadId>{u}</UploadId><Initiated>2026-11-01T00:00:00.000Z</Initiated></Upload>"
                    for u, (k, _) in self.uploads.items()
                    if k.startswith(q.get("prefix", ""))
                )
                + "</ListMultipartUploadsResult>"
            )
        if what == "Location":
            return self.xml("<LocationConstraint/>")
        if not key:
            return self.xml("<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>")
        if what == "Create":
            u = os.urandom(8).hex()
            self.uploads[u] = (key, {})
            return self.xml(
                f"<InitiateMultipartUploadResult><Bucket>bkt</Bucket><Key>{key}</Key><UploadId>{u}</UploadId></InitiateMultipartUploadResult>"
            )
        if "uploadId" in q:
            if q["uploadId"] not in self.uploads:
                return s3_error(404, "NoSuchUpload")
            key, parts = self.uploads[q["uploadId"]]
            if what == "Abort":
                del self.uploads[q["uploadId"]]
                return 204, [], b""
            if what == "ListParts":
                return self.xml(
                    "<ListPartsResult><IsTruncated>false</IsTruncated>"
                    + "".join(
                        f'<Part><PartNumber>{n}</PartNumber><ETag>"{e}"</ETag><Size>{s}</Size></Part>'
                        for n, (_, s, e) in sorted(parts.items())
                    )
                    + "</ListPartsResult>"
                )
            if what in ("UploadPart", "CopyPart"):
                copied = what == "CopyPart" and self.copy != "source-ignored"
                data = self.source(r) if copied else self.body(r)
                m = re.fullmatch(r"bytes=(\d+)-(\d+)", r.headers.get("x-amz-copy-source-range") or "")
                if copied and m and self.copy != "range-ignored":
                    data = data[int(m[1]) : int(m[2]) + 1]
                e = self.part_etag(hashlib.md5(data).hexdigest())
                parts[int(q["partNumber"])] = (data if self.keep else b"", len(data), e)
                if copied:
                    return self.xml(f'<CopyPartResult><ETag>"{e}"</ETag></CopyPartResult>')
                return 200, [("ETag", f'"{e}"'), *self.extra], b""
            sizes = [parts[n][1] for n in sorted(parts)]
            if self.equal_parts and len(sizes) > 1 and (len(set(sizes[:-1])) > 1 or sizes[-1] > sizes[0]):
                return s3_error(400, "InvalidPart", "All non-trailing parts must have the same length.")
            data = b"".join(parts[n][0] for n in sorted(parts))
            h = hashlib.md5(b"".join(hashlib.md5(parts[n][0]).digest() for n in sorted(parts))).hexdigest()
            self.put(key, data, self.etag(f"{h}-{len(parts)}"))
            del self.uploads[q["uploadId"]]
            return self.xml(
                f'<CompleteMultipartUploadResult><Key>{key}</Key><ETag>"{self.objects[key][1]}"</ETag></CompleteMultipartUploadResult>'
            )
        if r.method == "PUT":
            self.put(key, self.source(r) if what == "Copy" else self.body(r))
            if what == "Copy":
                return self.xml(f'<CopyObjectResult><ETag>"{self.objects[key][1]}"</ETag></CopyObjectResult>')
            return 200, [("ETag", f'"{self.objects[key][1]}"'), *self.extra], b""
        if key not in self.objects:
            return s3_error(404, "NoSuchKey")
        if what == "Delete":
            del self.objects[key]
            return 204, [], b""
        data, etag = self.objects[key]
        if r.headers.get("If-Match") and r.headers["If-Match"].strip('"') != etag:
            return s3_error(412, "PreconditionFailed")
        status, headers, body = ranged(r, data, etag=f'"{etag}"')
        if r.method == "HEAD":
            headers.append(("Content-Length", str(len(body))))
        return status, [*headers, *self.extra], body


def no_md5(hexadecimal):
    """32 hexadecimal digits that are no MD5 (with -N where there was one): ETags of servers that encrypt or compress by themselves."""
    return hashlib.sha256(hexadecimal.encode()).hexdigest()[:32] + (
        "-" + hexadecimal.partition("-")[2] if "-" in hexadecimal else ""
    )


def no_trailers(status=501, code="NotImplemented"):
    """refuse= or before= of a server that does not take checksum trailers."""

    def refuse(r):
        if r.method == "PUT" and r.headers.get("x-amz-trailer"):
            return s3_error(status, code)

    return refuse


# ---------------------------------------------------------------- FTP


class Ftp:
    """A small FTP server. answers: {"MDTM": "550 no"} overrides a command (a function of the argument may return None: as usual);
    most: logins at a time; too_many: what the others hear, at the greeting or after PASS; tells: whether the answer to RETR has the size."""

    def __init__(
        self,
        data,
        answers=None,
        most=None,
        too_many="530 Sorry, the maximum number of clients ({n}) from your host are already connected.",
        at_greeting=False,
        tells=True,
    ):
        self.data, self.answers, self.most, self.too_many, self.at_greeting, self.tells = (
            data,
            answers or {},
            most,
            too_many,
            at_greeting,
            tells,
        )
        self.log, self.now, self.lock = [], 0, threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.url = f"ftp://127.0.0.1:{self.port}/file.bam"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            c, _ = self.listener.accept()
            threading.Thread(target=self._serve, args=(c,), daemon=True).start()

    def _serve(self, c):
        f, rest, passive = c.makefile("rb"), 0, None

        def say(text):
            c.sendall(text.encode() + b"\r\n")

        with self.lock:
            self.now += 1
            full = self.most is not None and self.now > self.most
        try:
            if full and self.at_greeting:
                return say(self.too_many.format(n=self.most))
            say("220 ready")
            for raw in f:
                command, _, argument = raw.decode("latin-1").rstrip("\r\n").partition(" ")
                command = command.upper()
                self.log.append((command, argument))
                if command == "PASS" and full:
                    return say(self.too_many.format(n=self.most))
                if command in self.answers:
                    answer = self.answers[command]
                    answer = answer(argument) if callable(answer) else answer
                    if answer is not None:
                        say(answer)
                        continue
                if command == "USER":
                    say("331 password")
                elif command == "PASS":
                    say("230 in")
                elif command == "PWD":
                    say('257 "/"')
                elif command in ("TYPE", "CWD", "OPTS", "NOOP"):
                    say("200 ok")
                elif command == "SIZE":
                    say(f"213 {len(self.data)}")
                elif command == "MDTM":
                    say("213 20260105100000")
                elif command in ("EPSV", "PASV"):
                    passive = socket.create_server(("127.0.0.1", 0))
                    p = passive.getsockname()[1]
                    say(
                        f"229 Entering Extended Passive Mode (|||{p}|)"
                        if command == "EPSV"
                        else f"227 ok (127,0,0,1,{p >> 8},{p & 255})"
                    )
                elif command == "REST":
                    rest = int(argument)
                    say("350 restarting")
                elif command == "RETR":
                    say(
                        f"150 Opening BINARY mode data connection for {argument}"
                        + (f" ({len(self.data)} bytes)" if self.tells else "")
                    )
                    d, _ = passive.accept()
                    try:
                        d.sendall(self.data[rest:])
                        d.close()
                        say("226 done")
                    except OSError:
                        d.close()
                        say("426 closed")
                    rest = 0
                elif command == "QUIT":
                    return say("221 bye")
                elif command == "ABOR":
                    say("226 ok")
                else:
                    say("502 no")
        except OSError:
            pass
        finally:
            with self.lock:
                self.now -= 1
            c.close()


# ---------------------------------------------------------------- mounts


class Mount:
    """`with Mount(bucket) as m:` then m / "name". What is left of it is taken away at the end of the case by whoever runs it."""

    def __init__(self, url, *options, endpoint=None, name=None):
        if not os.path.exists("/dev/fuse") or not shutil.which("fusermount3"):
            cannot("no FUSE here")
        self.directory = TMP / (name or f"m{next(_count)}")
        self.directory.mkdir()
        self.log = Path(str(self.directory) + ".log")
        self.command = [
            "mount",
            "--log-file",
            self.log,
            *options,
            url if str(url).startswith("s3://") else f"s3://{url}",
            self.directory,
        ]
        self.env = {"AWS_ENDPOINT_URL": endpoint or SERVER}
        self.result = s3am(*self.command, env=self.env)

    def __enter__(self):
        need(self.result.rc == 0, lambda: f"it does not mount: {self.result.last}")
        return self

    def __exit__(self, *_):
        pass

    def __truediv__(self, name):
        return self.directory / name

    @property
    def daemon(self):
        return int(os.getxattr(self.directory, "user.s3am.pid"))

    @property
    def mounted(self):
        return mounted(self.directory)

    def umount(self, **more):
        return s3am("umount", self.directory, **more)

    def done(self):
        """Unmounts; anything else than success is wrong."""
        u = self.umount()
        need(u.rc == 0, lambda: f"umount: {u.last}")


def mounted(directory):
    return any(line.split()[4] == str(directory) for line in Path("/proc/self/mountinfo").read_text().splitlines())


def edit(path, mode, data, at=None):
    """Opens, writes, closes; the OSError, if any."""
    try:
        with open(path, mode) as f:
            if at is not None:
                f.seek(at)
            f.write(data)
    except OSError as e:
        return e
    return None


def mixture(got, a, b):
    """Whether `got` is neither of the two."""
    return got not in (a, b)


def pieces(got, a, b, size=4 * MIB):
    return "".join(
        "A" if got[i : i + 99] == a[i : i + 99] else "B" if got[i : i + 99] == b[i : i + 99] else "?"
        for i in range(0, len(got), size)
    )
