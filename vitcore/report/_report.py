"""The report of a run."""

from vitcore.report._contents import ReportContents

__all__ = ["report_html"]


def report_html(contents: ReportContents) -> str:
    """Return the report of a run as one HTML page that needs nothing but itself, in the language of now."""
    from vitcore.report._page import html_of  # charts and their drawing take a second to import
    from vitcore.report._sections import sections_of, subtitle_of, title_of

    return html_of(title_of(contents), subtitle_of(contents), sections_of(contents))
