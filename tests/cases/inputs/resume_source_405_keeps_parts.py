# what: Half of a file is in S3; at --resume the web server answers 405 (a firewall does so): the parts that S3 has are still there, or the object is.
# kind: one-odd-answer
# source: izaart95-jpg/GLM-Free-API#41
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
mode.update(source=405, limit=1 << 40)
r = s3am("upload", "--resume", "--retry-budget", "5", url, f"s3://{b}/k", env=through)
left = sum(n for _, _, n in unfinished(b))
need(get(b, "k") == data or left >= had, f"{r.last}; parts in S3: {had} before, {left} after")
