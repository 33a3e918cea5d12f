"""Options that several commands share: how they are declared, and what they become (S3Config, keys, sizes)."""

from __future__ import annotations

import argparse
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn, cast

from ..core.bandwidth import parse_bandwidth
from ..core.parts import check_part_size
from ..core.sizes import parse_age, parse_size
from ..errors import S3AMError, UsageError

if TYPE_CHECKING:
    from ..core.bandwidth import Bandwidth
    from ..core.locations import S3Location
    from ..core.ssec import CustomerKey
    from ..engine.client import S3Client
    from ..wire.aws.config import S3Config
    from .output import Output

_connecting = threading.Lock()


class Parser(argparse.ArgumentParser):
    """argparse, but a usage error is one line, and abbreviations are not guessed: scripts outlive them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("allow_abbrev", False)
        super().__init__(*args, **kwargs)

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see '{self.prog} --help'")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse's, but what a command does not know is its own error, which points to its own help."""
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return found, unknown

    def _get_values(self, action: argparse.Action, arg_strings: list[str]) -> Any:
        if action.option_strings and arg_strings == [
            "--"
        ]:  # argparse of Python 3.10 and 3.11 makes a list of '--opt=--'
            raise argparse.ArgumentError(action, "'--' is not a value")
        return super()._get_values(action, arg_strings)

    def add_arguments_of(self, other: argparse.ArgumentParser) -> None:
        for action in other._actions:
            self._add_action(action)


def checked(convert: Callable[[str], Any]) -> Callable[[str], Any]:
    """Returns `convert` as a type for argparse: it raises ArgumentTypeError in place of an S3AMError."""

    def convert_or_complain(text: str) -> Any:
        try:
            return convert(text)
        except S3AMError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return convert_or_complain


size = checked(parse_size)
part_size = checked(lambda text: check_part_size(parse_size(text)))


@checked
def range_size(text: str) -> int:
    """Returns the size in bytes of a download's ranges. Raises UsageError for 0."""
    found = parse_size(text)
    if found == 0:
        raise UsageError(f"{text!r} is not a part size: give bytes, such as 16MiB")
    return found


def digest(name: str, size: int) -> Callable[[str], str]:
    """Returns a type for argparse: the digest `name` of `size` bytes in hex, in lower case."""

    def convert(text: str) -> str:
        found = text.strip().lower()
        if len(found) != 2 * size or set(found) - set("0123456789abcdef"):
            raise argparse.ArgumentTypeError(
                f"{text[:80]!r} is not {name} in hex: that has {2 * size} digits of 0-9, a-f"
            )
        return found

    return convert


bandwidth = checked(parse_bandwidth)
age = checked(parse_age)


LEAST_MEMORY = 65 * 1024 * 1024


def slots(text: str) -> int:
    """Returns a number of slots from 1 to 256; others, as in scripts of S3AM 2, become the nearest.

    Raises ArgumentTypeError for anything but digits.
    """
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of slots: give 1 to 256")
    return min(256, max(1, int(text)))


def seconds(text: str) -> float:
    """Parses a duration in seconds. Raises ArgumentTypeError."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < 1e7:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")
    return number


def pair(text: str) -> tuple[str, str]:
    """Parses NAME=VALUE. Raises ArgumentTypeError."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form NAME=VALUE")
    return name, value


def add_common(parser: argparse.ArgumentParser, *, top: bool) -> None:
    """Options of every command; they may stand before it (top) or after it, where the later one wins."""

    def default(value: object) -> object:
        return value if top else argparse.SUPPRESS

    def flag(*names: str, text: str) -> None:
        add(*names, action="store_true", default=default(False), help=text)

    add = parser.add_argument_group("general options").add_argument
    flag("--verbose", "-v", text="report each step, retry and fallback on stderr")
    flag("--debug", text="as --verbose, and tracebacks; never prints a key or a secret")
    flag("--json", text="print events and the result as JSON lines on stdout")
    add(
        "--progress",
        action=argparse.BooleanOptionalAction,
        default=default(None),
        help="show progress on stderr (default: only if stderr is a terminal)",
    )
    add("--profile", metavar="NAME", default=default(None), help="profile of ~/.aws/config and ~/.aws/credentials")
    add("--region", metavar="NAME", default=default(None), help="region of the bucket")
    add("--endpoint-url", metavar="URL", default=default(None), help="S3 service to use, if not AWS")
    flag("--requester-pays", text="agree to pay for requests to a requester-pays bucket")
    flag("--no-sign-request", text="send no credentials (for public buckets)")
    flag("--no-verify-tls", text="do not check TLS certificates (dangerous)")
    add("--ca-bundle", metavar="FILE", default=default(None), help="PEM file of certificates to trust (a private CA)")
    add(
        "--timeout",
        metavar="SECONDS",
        type=seconds,
        default=default(60.0),
        help="abort and retry a request that moves no byte for this long (default 60)",
    )
    add(
        "--retry-budget",
        metavar="SECONDS",
        type=seconds,
        default=default(None),
        help="give up after this long without progress (default 300; 30 if the server never answered)",
    )


def bandwidth_file(text: str) -> Bandwidth:
    """Reads the file of --bwlimit-file. Raises ArgumentTypeError."""
    from ..engine.bwlimit import read_bandwidth

    return cast("Bandwidth", checked(read_bandwidth)(text))


def add_bwlimit(parser: argparse.ArgumentParser) -> None:
    """The two forms of the limit that all transfers of the process share."""
    forms = parser.add_mutually_exclusive_group()
    forms.add_argument(
        "--bwlimit",
        metavar="RATE",
        type=bandwidth,
        default=0,
        help="limit the bytes per second, such as 10MiB/s; or by time of day: '08:00,10M 18:00,off'",
    )
    forms.add_argument(
        "--bwlimit-file",
        metavar="FILE",
        type=bandwidth_file,
        help="read the limit from FILE, and again at each SIGUSR2",
    )


def memory(text: str) -> int:
    """Returns the memory of the process in bytes. Raises ArgumentTypeError if it is too little for one slot."""
    found = size(text)
    if found < LEAST_MEMORY:
        raise argparse.ArgumentTypeError(f"{text} is too little: the process needs 64MiB, and 0.5MiB for each slot")
    return int(found)


def add_memory(parser: argparse.ArgumentParser) -> None:
    """The ceiling of the slots of this process."""
    parser.add_argument(
        "--memory",
        metavar="SIZE",
        type=memory,
        help="memory limit of this process, at least 65MiB (default: a fourth of the machine's)",
    )


def add_seen(parser: argparse.ArgumentParser, *, report: bool = True) -> None:
    """--trace and --report, of commands that move bytes."""
    group = parser.add_argument_group("seeing what happens")
    add = group.add_argument
    add("--trace", metavar="FILE", help="write a trace of every request to FILE, for ui.perfetto.dev")
    if report:
        add("--report", metavar="FILE", help="write a report to FILE: a page (.html) or JSON lines (.jsonl)")


def bwlimit_of(args: argparse.Namespace) -> Bandwidth | int:
    """The limit that the options name; 0: none."""
    found: Bandwidth | int = args.bwlimit_file or args.bwlimit
    return found


def add_key_options(parser: argparse.ArgumentParser, prefix: str = "", what: str = "the object") -> None:
    """The four options of one customer key (SSE-C)."""
    group = parser.add_argument_group(f"encryption key of {what} (SSE-C)")
    forms = group.add_mutually_exclusive_group()
    name = f"{prefix}sse-key".replace("-", "_")
    add = forms.add_argument
    add(f"--{prefix}sse-key", metavar="KEY", dest=name, help="the key, 32 characters; visible in the process list")
    add(f"--{prefix}sse-key-file", metavar="PATH", dest=f"{name}_file", help="file that holds the key, 32 bytes")
    add(f"--{prefix}sse-key-base64", metavar="KEY", dest=f"{name}_base64", help="the key; visible in the process list")
    group.add_argument(
        f"--{prefix}sse-key-is-master",
        action="store_true",
        dest=f"{name}_is_master",
        help="derive the object's key from this key and the object's URL",
    )


def given_key(args: argparse.Namespace, output: Output, prefix: str = "") -> tuple[CustomerKey | None, bool]:
    """The customer key that the options name, and whether it is a master key. Raises EncryptionKeyError, UsageError."""
    from ..core.ssec import CustomerKey
    from ..verbs.keys import read_key_file

    name = f"{prefix}sse_key"
    given: CustomerKey | None = None
    if getattr(args, name) is not None:
        given = CustomerKey.from_text(getattr(args, name))
    elif getattr(args, f"{name}_base64") is not None:
        given = CustomerKey.from_base64(getattr(args, f"{name}_base64"))
    elif getattr(args, f"{name}_file") is not None:
        path = getattr(args, f"{name}_file")
        given, is_open = read_key_file(path)
        if is_open:
            output.warn(f"the key file {path} may be read by others: chmod 600 it")
    is_master = getattr(args, f"{name}_is_master")
    if given is None and is_master:
        option = prefix.replace("_", "-")
        raise UsageError(f"--{option}sse-key-is-master needs a key: give --{option}sse-key-file or one of its forms")
    return given, is_master


def key_of(
    args: argparse.Namespace,
    location: S3Location,
    client: S3Client,
    output: Output,
    prefix: str = "",
    before: tuple[CustomerKey | None, bool] | None = None,
) -> CustomerKey | None:
    """The customer key that the options name, for `location`. Raises EncryptionKeyError, UsageError.

    before: what `given_key` has returned, where it was called before a server was asked.
    """
    from ..verbs.keys import object_key

    given, is_master = given_key(args, output, prefix) if before is None else before
    return object_key(given, location, client) if given is not None and is_master else given


def config_of(args: argparse.Namespace, output: Output) -> S3Config:
    """Returns the service that the general options describe. Raises UsageError for options that exclude each other."""
    from ..wire.aws.config import S3Config

    if args.no_verify_tls:
        output.warn(
            "TLS certificates are not checked: anybody between here and the server may read and change everything"
        )
    if args.ca_bundle is not None and args.no_verify_tls:
        raise UsageError("--ca-bundle and --no-verify-tls exclude each other")
    return S3Config(
        profile=args.profile,
        region=args.region,
        endpoint_url=args.endpoint_url,
        anonymous=args.no_sign_request,
        requester_pays=args.requester_pays,
        verify_tls=args.ca_bundle or not args.no_verify_tls,
        stall_timeout=args.timeout,
        retry_budget=args.retry_budget,
    )


def connect_from(args: argparse.Namespace, output: Output) -> S3Client:
    """A client for the service that the general options describe."""
    from ..engine.connect import connect

    config = config_of(args, output)
    if output.clients is None:
        return _with_memory(connect(config, on_retry=output.control_retried, on_notice=output.detail), args)
    with _connecting:  # many commands in one process share what is known of a service
        if config not in output.clients:
            output.clients[config] = connect(config, on_retry=output.control_retried, on_notice=output.detail)
        return _with_memory(output.clients[config], args)


def _with_memory(client: S3Client, args: argparse.Namespace) -> S3Client:
    """`client`, whose engine keeps to `--memory` from now on."""
    most: int | None = getattr(args, "memory", None)
    if most is not None:
        client.engine.lines.set_memory(most)
    return client


def source_client(args: argparse.Namespace, output: Output) -> S3Client | None:
    """A client of its own, if the options say that SRC is elsewhere."""
    from dataclasses import replace

    from ..engine.connect import connect

    given = (args.src_endpoint_url, args.src_profile, args.src_region, args.src_no_sign_request or None)
    if all(value is None for value in given):
        return None
    config = config_of(args, output)
    return connect(
        replace(
            config,
            endpoint_url=args.src_endpoint_url or config.endpoint_url,
            profile=args.src_profile or config.profile,
            region=args.src_region or config.region,
            anonymous=args.src_no_sign_request,
        ),
        on_retry=output.control_retried,
        on_notice=output.detail,
    )
