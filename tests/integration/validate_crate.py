"""Validates crates with roc-validator, in its own environment and without a network.

`python validate_crate.py CONTEXT CRATE…` prints what it minds in each, as JSON. What it would fetch, the meaning of
words at `https://w3id.org/ro/crate/1.1/context`, is read from the file CONTEXT.
"""

import json
import sys
import tempfile
from pathlib import Path

from requests_cache import CachedRequest, CachedResponse, CachedSession
from rocrate_validator.models import Severity, ValidationSettings
from rocrate_validator.services import validate

ADDRESS = "https://w3id.org/ro/crate/1.1/context"


def known_beforehand(cache: Path, content: bytes) -> None:
    request = CachedRequest(method="GET", url=ADDRESS)
    headers = {"Content-Type": "application/ld+json"}
    response = CachedResponse(content=content, headers=headers, request=request, status_code=200, url=ADDRESS)
    session = CachedSession(str(cache))
    session.cache.save_response(response, cache_key=session.cache.create_key(request.prepare()))


def issues(crate: str, cache: Path) -> list[str]:
    """All that the validator minds, each with how grave it finds it."""
    asked = {"profile_identifier": "process-run-crate-0.5", "requirement_severity": Severity.RECOMMENDED}
    settings = ValidationSettings(rocrate_uri=crate, offline=True, cache_path=cache, cache_max_age=-1, **asked)
    found = validate(settings).get_issues(Severity.RECOMMENDED)
    return sorted({f"{issue.severity.name}: {issue.message} ({issue.violatingEntity})" for issue in found})


with tempfile.TemporaryDirectory() as folder:
    cache = Path(folder, "cache")
    known_beforehand(cache, Path(sys.argv[1]).read_bytes())
    print(json.dumps({crate: issues(crate, cache) for crate in sys.argv[2:]}))
