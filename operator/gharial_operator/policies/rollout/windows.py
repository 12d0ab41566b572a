"""Maintenance windows: is one open, and when does the next one open or close?"""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from gharial_api.upgrade import MaintenanceWindow

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def open_now(windows: Sequence[MaintenanceWindow], now: datetime) -> bool:
    """Whether nodes may be taken out of service now; always without windows."""
    return not windows or any(begin <= now < end for begin, end in _around(windows, now))


def next_change(windows: Sequence[MaintenanceWindow], now: datetime) -> datetime | None:
    """When the next window opens or an open one closes; None without windows."""
    moments = [moment for pair in _around(windows, now) for moment in pair if moment > now]
    return min(moments, default=None)


def _around(windows: Sequence[MaintenanceWindow], now: datetime) -> list[tuple[datetime, datetime]]:
    """Openings and closings in UTC, from the longest window's length before now to a week after."""
    found = []
    for window in windows:
        zone = ZoneInfo(window.time_zone)
        length = timedelta(minutes=window.duration_minutes)
        hour, minute = (int(part) for part in window.start.split(":"))
        day = (now - length).astimezone(zone).date() - timedelta(days=1)
        last = now.astimezone(zone).date() + timedelta(days=8)
        while day <= last:
            if not window.days or _DAYS[day.weekday()] in window.days:
                # Python takes an hour that a change of summer time leaves out or repeats in the offset before it.
                begin = datetime.combine(day, time(hour, minute), zone).astimezone(UTC)
                found.append((begin, begin + length))
            day += timedelta(days=1)
    return found
