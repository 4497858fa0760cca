"""Reports for people: one self-contained HTML page each, that needs no network and no script."""

from calibration.report.comparison import write_comparison
from calibration.report.contact_sheet import write_contact_sheet
from calibration.report.evaluation import write_evaluation

__all__ = ["write_comparison", "write_contact_sheet", "write_evaluation"]
