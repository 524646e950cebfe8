"""Prints the events of an iCalendar file as JSON, as the icalendar library reads them."""

import datetime
import json
import sys

import icalendar

with open(sys.argv[1], "rb") as file:
    calendar = icalendar.Calendar.from_ical(file.read())

assert calendar["VERSION"] == "2.0" and calendar["PRODID"]
assert not calendar.errors, calendar.errors
events = []
for event in calendar.walk("VEVENT"):
    assert not event.errors, event.errors
    start = event["DTSTART"].dt
    assert start.utcoffset() == datetime.timedelta(0)
    triggers = [alarm["TRIGGER"].dt for alarm in event.walk("VALARM")]
    events.append(
        {
            "uid": str(event["UID"]),
            "stamp": event["DTSTAMP"].dt.timestamp(),
            "sequence": int(event["SEQUENCE"]),
            "start": start.timestamp(),
            "summary": str(event["SUMMARY"]),
            "description": str(event["DESCRIPTION"]),
            "alarms": [(start + trigger).timestamp() for trigger in triggers],
        }
    )
print(json.dumps(events))
