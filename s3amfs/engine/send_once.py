"""A small body from memory sent once, by the thread that waits for its reply: without slots, retries or events.

A transfer of one part costs a third of a small object's CPU time. Whatever is not a success is left to one, which has
the say about errors and retries.
"""

from __future__ import annotations

from ..core.failures import Failure, Kind
from ..errors import S3AMError
from ..wire.curl.options import with_low_speed_limit
from ..wire.failures import classify
from .attempt import PartResult, SendPart
from .client import S3Client
from .part_problem import PartProblem


def send_once(client: S3Client, work: SendPart) -> PartResult | Failure:
    """Sends what `work` holds and waits. Returns what its body makes of the reply.

    Raises Interrupted, and TransferError if the loop has ended.
    """
    request = work.request.with_options(with_low_speed_limit(work.request.options, limit_rate=0))
    try:
        reply = client.engine.call_here(request, work.body)
        if reply.ok:
            return work.body.finish(reply)
    except PartProblem as problem:
        return problem.failure
    except S3AMError:  # interrupted, or the loop has ended; each is an OSError, too
        raise
    except OSError as error:
        return Failure(Kind.LOCAL, str(error), errno=error.errno)
    failure = classify(reply)
    request.learn(failure)
    return failure


def may_be_done(failure: Failure) -> bool:
    """Whether the server may have done what it answered so; a refusal that names the client's fault says no."""
    return not 400 <= failure.status < 500
