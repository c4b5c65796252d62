"""What passwords, tokens and keys look like: by the name of what holds them, or by themselves."""

import re

SECRET_NAME = re.compile(
    r"\w*(?:password|passwd|passphrase|token|connection_string|(?:api|access|account|private|secret)_key(?:_id)?)"
    r"|(?:\w*_)?(?:pwd|secrets?|credentials?|dsn|apikey)",
    re.IGNORECASE,
)
SECRET_VALUE = re.compile(
    r"[A-Za-z][A-Za-z0-9+.-]*://[^/\s:@]*:[^/\s@]+@"  # a password in an address
    r"|\b(?i:password|passwd|pwd|secret|token|api_?key)\s*[=:]\s*\S"  # or in `host=… password=…`
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----"
    r"|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"  # AWS
    r"|\b(?:gh[pousr]_|github_pat_|glpat-|hf_|sk-|xox[abpr]-)[A-Za-z0-9_-]{16}"  # code hosts and other services
    r"|\beyJ[A-Za-z0-9_-]+\.eyJ"  # a JSON web token
)
# One of these, in small letters, is in whatever SECRET_VALUE finds: they are looked for faster.
SECRET_SIGNS = (
    "://", "password", "passwd", "pwd", "secret", "token", "apikey", "api_key", "private key", "akia", "asia",
    "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "hf_", "sk-", "xox", "eyj",
)  # fmt: skip


def looks_secret(name: str, value) -> bool:
    """Whether a parameter's name or value, or one inside the value, is like a password's, a token's or a key's.

    Examples
    --------
    >>> looks_secret("db_password", "x"), looks_secret("n_tokens", 3), looks_secret("source", "s3://me:pw@host")
    (True, False, True)
    """
    if isinstance(value, dict):
        return any(looks_secret(str(key), inner) for key, inner in ({name: None} | value).items())
    if isinstance(value, list):
        return any(looks_secret(name, inner) for inner in [None, *value])
    name = re.sub(r"(?<=[a-z])(?=[A-Z])|-", "_", name).rstrip("_0123456789")  # dbPassword, api-key, TOKEN_2
    return bool(SECRET_NAME.fullmatch(name) or (isinstance(value, str) and SECRET_VALUE.search(value)))
