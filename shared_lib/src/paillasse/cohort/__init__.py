"""Who is in the cohort: the flow of exclusions, table 1, follow-up, missing values."""

from paillasse.cohort.flow import Flow, flow
from paillasse.cohort.follow_up import FollowUp, follow_up
from paillasse.cohort.missing import Missing, missing
from paillasse.cohort.table_one import TableOne, table_one

__all__ = ["Flow", "FollowUp", "Missing", "TableOne", "flow", "follow_up", "missing", "table_one"]
