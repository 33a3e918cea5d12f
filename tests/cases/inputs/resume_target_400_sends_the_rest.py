# what: Half of a file is in S3; at --resume one part is answered with 400: what is there is not sent again.
# kind: one-odd-answer
# source: aws/aws-cli#986
from kit import *

data, mode = os.urandom(40 * MIB), {"limit": 24 * MIB, "source": None, "target": None}


def source(r):
    if span(r) and span(r)[1]:
        if mode["source"]:
            return mode["source"], [], b"no"
        if span(r)[0] >= mode["limit"]:
            return 403, [], b"stop here"
    return ranged(r, data)


def before(r):
    if mode["target"] and kind(r) == "UploadPart":
        answer, mode["target"] = mode["target"], None
        return answer


url, p, b = Web(source).url + "/f.bam", proxy(before), bucket()
through = {"AWS_ENDPOINT_URL": p.url}
s3am("upload", "--retry-budget", "5", "--download-slots", "1", url, f"s3://{b}/k", env=through)
had = sum(n for _, _, n in unfinished(b))
need(had >= 2, "nothing is left to resume")
mode.update(target=(400, [], b""), limit=1 << 40)
before_ = p.count("UploadPart")
r = s3am("upload", "--resume", "--retry-budget", "5", url, f"s3://{b}/k", env=through)
if r.rc:
    left = sum(n for _, _, n in unfinished(b))
    need(left >= had, f"{r.last}; parts in S3: {had} before, {left} after")
else:
    need(get(b, "k") == data, "exit 0, other content")
    sent = p.count("UploadPart") - before_
    need(sent <= 5 - had + 2, f"{had} of 5 parts were there, {sent} were sent")
