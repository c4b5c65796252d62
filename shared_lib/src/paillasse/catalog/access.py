"""May this project read this data set in the profile `secure`, until when, for what, and held to which policy?

The steward decides, in a file outside every project: the variable PAILLASSE_STEWARD_FILE says where, and its readers
cannot write it. What a project's own catalogue says can only narrow that. This keeps an honest, hurried researcher from
an expired approval, another project's data or a forgotten purpose. It does not stop one who reads the file or the
server directly: who may do that is decided by the server's own GRANT and the folder's permissions.
"""

import datetime
import os
from dataclasses import dataclass
from pathlib import Path

from paillasse.catalog.audit import AuditSink
from paillasse.catalog.model import Approval, Dataset, Disclosure, Name
from paillasse.disclosure import Policy
from paillasse.documents import Strict, read_document
from paillasse.errors import AccessError, CatalogError

VARIABLE = "PAILLASSE_STEWARD_FILE"


class StewardFile(Strict):
    """What the data steward decides: approvals by data set, the disclosure policy's floor, where reads are recorded."""

    approvals: dict[Name, Approval]
    # No count below 11, as at France's secure data access centre (CASD); rounding to 5 as in the NHS's OpenSAFELY.
    disclosure: Disclosure = Disclosure(minimum_cell=11, rounding=5)
    audit: AuditSink


@dataclass(frozen=True)
class Permission:
    """A read that is allowed: by which approval, until when, held to which policy, recorded where."""

    reference: str
    valid_until: datetime.date
    policy: Policy
    sink: AuditSink


def is_restricted(dataset: Dataset, profile: str) -> bool:
    """Whether a read needs a permission: real patients' data that are not public."""
    return profile == "secure" and dataset.sensitivity == "pseudonymised"


def permission(name: str, dataset: Dataset, project: str | None, purpose: str | None, folder: Path) -> Permission:
    """The permission to read a restricted data set.

    Parameters
    ----------
    name, dataset
        The entry of the catalogue.
    project, purpose
        Who asks, for what.
    folder
        The catalogue's, outside which the steward's file must be.

    Raises
    ------
    AccessError
        The read is refused: every reason, and whom to ask.
    CatalogError
        The steward's file has mistakes.
    """
    contact = f"{dataset.steward.name}, {dataset.steward.email}"
    path = steward_file(contact)
    _check_is_the_steward_s(path, folder, contact)
    steward = read_steward_file(path)
    approval = steward.approvals.get(name)
    if approval is None:
        raise AccessError(_refusal(name, [f"no approval for it in the steward's file ({VARIABLE})"], contact))
    approval = narrowed(approval, dataset.approval)
    if reasons := _reasons(approval, project, purpose):
        raise AccessError(_refusal(name, reasons, contact))
    floor = Policy(steward.disclosure.minimum_cell, steward.disclosure.rounding)
    own = dataset.disclosure
    policy = floor.tightened(Policy(own.minimum_cell, own.rounding)) if own else floor
    return Permission(approval.reference, approval.valid_until, policy, steward.audit)


def steward_file(contact: str = "the data steward") -> Path:
    """Where the steward's file is."""
    place = os.environ.get(VARIABLE)
    if not place:
        raise AccessError(
            f"Secure data are read only with the steward's file, and the variable {VARIABLE} is not set. Ask "
            f'{contact}, where it is; on a laptop, work with the stand-in: open_catalog(profile="synthetic").'
        )
    return Path(place)


def read_steward_file(path: Path) -> StewardFile:
    return read_document(path, StewardFile, CatalogError)[0]


def _check_is_the_steward_s(path: Path, folder: Path, contact: str) -> None:
    """Refuse a file that the reader can have written: then it says nothing."""
    if not path.is_absolute() or path.resolve().is_relative_to(folder.resolve()):
        raise AccessError(
            f"{VARIABLE}: the steward's file is named by an absolute path outside the project. Ask {contact}, where."
        )
    # The superuser may write every file: from that nothing can be learnt. On Windows a file has no such owner.
    user = os.geteuid() if hasattr(os, "geteuid") else 0
    if path.is_file() and user != 0 and _can_change(path, user):
        raise AccessError(
            f"{VARIABLE}: you may write the file that says what you may read. Ask {contact}, to own it and its folder."
        )


def _can_change(path: Path, user: int) -> bool:
    """Whether a user may write the file, let themselves write it, or put another in its place."""
    return path.stat().st_uid == user or os.access(path, os.W_OK) or os.access(path.resolve().parent, os.W_OK)


def narrowed(approval: Approval, own: Approval | None) -> Approval:
    """The steward's approval within what the project's own catalogue says: never more than either."""
    if own is None:
        return approval
    return approval.model_copy(
        update={
            "projects": [project for project in approval.projects if project in own.projects],
            "purposes": [purpose for purpose in approval.purposes if purpose in own.purposes],
            "valid_until": min(approval.valid_until, own.valid_until),
        }
    )


def _reasons(approval: Approval, project: str | None, purpose: str | None) -> list[str]:
    """Why a read is refused, all of it; nothing if it is allowed."""
    reasons = []
    if project is None:
        reasons.append("it is not known which project asks; set `project:` at the head of data_catalog.yaml")
    elif project not in approval.projects:
        reasons.append(f"the approval {approval.reference} is not for the project {project!r}")
    if approval.valid_until < datetime.date.today():
        reasons.append(f"the approval {approval.reference} ended on {approval.valid_until}")
    allowed = ", ".join(approval.purposes) or "nothing"
    if purpose is None:
        reasons.append(f"the purpose is not said; open_catalog(purpose=…) or PAILLASSE_PURPOSE; allowed: {allowed}")
    elif purpose not in approval.purposes:
        reasons.append(f"the approval {approval.reference} is not for the purpose {purpose!r}; allowed: {allowed}")
    return reasons


def _refusal(name: str, reasons: list[str], contact: str) -> str:
    lines = [f"{name} is not read in the profile secure:", *(f"  {reason}" for reason in reasons)]
    return "\n".join([*lines, f"Ask {contact}. The stand-in can be read: open_catalog(profile=\"synthetic\")."])
