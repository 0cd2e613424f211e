"""The written report of a run: one HTML file that can be read anywhere, kept and printed.

It needs nothing but itself: no script, no network, no other file. Its figures are those of the run; what a
run does not know is left out.
"""

from vitcore.report._page import write_report
from vitcore.report._settings import SETTINGS, setting_title, setting_value, significant

__all__ = ["SETTINGS", "setting_title", "setting_value", "significant", "write_report"]
