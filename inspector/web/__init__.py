"""The review page: a process of its own beside the daemon, on the same database and archive.

app        create_app: every part wired             access     who asks, and with which role
desk       what every page works with               headers    content security policy and its kin
passwords  checked, and how often they may fail     pages/     one router for each noun
evidence   pictures, maps and nearest normals       live       what has changed since a moment ago

Pages are rendered here; scripts in static/ add keys, zoom and the outbox of decisions that are still to be sent.
"""
