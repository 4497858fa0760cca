"""The broker: reached, spoken to, allowed, and how much it holds for a daemon that is away.

What cannot be seen without sending false frames is not tried: whether the access list lets this client read frames.
Mosquitto confirms such subscriptions and delivers nothing.
"""

import os
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from inspector import contract
from inspector.doctor.certificate import valid
from inspector.doctor.finding import Finding, fail, ok, warn
from inspector.doctor.visitor import PATIENCE_S, Visitor
from inspector.errors import BrokerError
from inspector.settings import Settings, is_loopback

QUEUED = 2000
"""Small messages that are left for a session that is away; mosquitto's default keeps 1000 of them."""

AHEAD = 10
"""What a session asks the broker to send ahead, at most."""

_KINDS = ("verdict", "error", "heatmap", "drift")
_MAX_PACKET = 4_000_000
_FEW_FILES, _FILES = 4096, 65_536


def broker(settings: Settings, *, publish: bool) -> Iterator[Finding]:
    """All that can be seen with the daemon's own name and password, in its own corner.

    publish: also tries topics of a station, where listeners see it.
    """
    where = settings.broker.address
    versions = ("5", "3.1.1") if settings.broker.protocol == "auto" else (settings.broker.protocol,)
    refusal: BrokerError | None = None
    for version in versions:
        try:
            with Visitor(settings.broker, _name(settings, "doctor"), version=version) as visitor:
                yield ok("broker", f"reached at {where}{', by TLS' if settings.broker.tls else ''}")
                if visitor.certified_until is not None:
                    yield valid("the broker's", visitor.certified_until)
                yield _spoken(version)
                yield from _limits(visitor)
                yield from _files(settings)
                yield from _allowed(settings, visitor, version, publish=publish)
        except BrokerError as error:
            refusal = error
            continue
        yield from _held(settings, version)
        return
    yield fail(
        "broker",
        str(refusal),
        expected="a broker that takes this client",
        do="see broker in the settings, the broker's log, its passwords and certificates",
    )


def _name(settings: Settings, role: str) -> str:
    return f"inspector:{settings.instance}:{role}:{os.getpid()}"


def _spoken(version: str) -> Finding:
    if version == "5":
        return ok("protocol", "MQTT 5")
    return warn(
        "protocol",
        "MQTT 3.1.1",
        expected="MQTT 5",
        do="cameras must send the JSON envelope, and refused messages are not told; use a broker that knows 5",
    )


def _limits(visitor: Visitor) -> Iterator[Finding]:
    limits = visitor.limits
    if limits.get("MaximumQoS", 2) < 1:
        yield fail("delivery", "QoS 0 alone", expected="QoS 1", do="allow it in the broker's configuration")
    if not limits.get("RetainAvailable", 1):
        yield fail(
            "retain",
            "retained messages are not allowed, so the daemon's connection for its verdicts is refused",
            expected="them to be allowed: the last will of that connection is retained",
            do="allow them in the broker's configuration (mosquitto: retain_available true)",
        )
    size = limits.get("MaximumPacketSize")
    if size is not None and size < _MAX_PACKET:
        yield warn(
            "message size",
            f"{size} bytes at most",
            expected=f"{_MAX_PACKET} at least, for pictures",
            do="raise max_packet_size, or send smaller pictures",
        )
    ahead = limits.get("ReceiveMaximum")
    if ahead is not None and ahead < AHEAD:
        yield warn("publishing", f"{ahead} messages ahead", expected=f"{AHEAD} or more", do="raise receive maximum")


def _files(settings: Settings) -> Iterator[Finding]:
    """What a mosquitto on this machine may have open; the least, where there are several."""
    limits = []
    for name in Path("/proc").glob("[0-9]*/comm") if is_loopback(settings.broker.host) else ():
        with suppress(OSError):  # it has ended meanwhile
            if name.read_text(encoding="utf-8", errors="replace").strip() == "mosquitto":
                told = name.with_name("limits").read_text(encoding="ascii")
                limits += re.findall(r"^Max open files +(\d+)", told, re.MULTILINE)
    least = min(map(int, limits), default=_FILES)
    if least < _FEW_FILES:
        yield warn(
            "connections",
            f"mosquitto may have {least} files open, and each connection is one: as many that say nothing keep out all",
            expected=f"{_FILES}",
            do="set LimitNOFILE as in configs/systemd/mosquitto.service.d",
        )


def _allowed(settings: Settings, visitor: Visitor, version: str, *, publish: bool) -> Iterator[Finding]:
    frames = [contract.station_topic(station.id, "frame") for station in settings.stations]
    topics = [*frames, contract.instance_topic(settings.instance, "cmd/+"), _corner(settings)]
    refused = [f"{topic}: {why}" for topic, why in zip(topics, visitor.subscribe(topics), strict=True) if why]
    if refused:
        yield fail("subscribing", refused[0], expected="all of ours", do="see configs/mosquitto.acl")
    else:
        yield ok("subscribing", f"{len(topics)} topics; whether frames may be read shows when one comes")
    yield _round_trip(settings, visitor)
    if not publish:
        yield ok("publishing", "not tried, as listeners would see it: try --publish once, before the line starts")
    elif version != "5":
        yield warn("publishing", "a 3.1.1 broker does not tell", expected="an answer", do="watch a verdict arrive once")
    else:
        yield _published(settings, visitor)


def _published(settings: Settings, visitor: Visitor) -> Finding:
    """To a station that cannot be, as its name begins with `_`: an access list that names stations refuses it."""
    first = settings.stations[0].id
    for kind in _KINDS:
        topic = f"{contract.ROOT}/{first.site}/{first.area}/{first.line}/_doctor/{kind}"
        if (why := visitor.publish(topic, b'{"schema":"inspector.doctor/1"}')) is not None:
            return fail(
                "publishing",
                f"{topic}: {why}",
                expected="to be allowed",
                do="see configs/mosquitto.acl; a list that names stations one by one is to be looked at by hand",
            )
    return ok("publishing", ", ".join(_KINDS))


def _corner(settings: Settings) -> str:
    return contract.instance_topic(settings.instance, f"doctor/{os.getpid()}")


def _round_trip(settings: Settings, visitor: Visitor) -> Finding:
    begin = time.perf_counter()
    why = visitor.publish(_corner(settings), b"here")
    while not visitor.came and why is None and time.perf_counter() - begin < 1:
        time.sleep(0.001)
    if visitor.came:
        return ok("own place", f"read and written in {(time.perf_counter() - begin) * 1e3:.1f} ms")
    return fail(
        "own place",
        why or "what was published did not come back",
        expected=f"{contract.instance_topic(settings.instance, '#')} for reading and writing",
        do="see configs/mosquitto.acl",
    )


def _held(settings: Settings, version: str) -> Iterator[Finding]:
    """Leaves messages for a session that is away, and counts what is there when it comes back."""
    name, topic = _name(settings, "doctor-away"), f"{_corner(settings)}/held"
    with Visitor(settings.broker, name, version=version, keep=True) as away:
        if any(away.subscribe([topic])):
            return
    with Visitor(settings.broker, _name(settings, "doctor"), version=version) as sender:
        sent = sender.publish_many(topic, QUEUED)
    with Visitor(settings.broker, name, version=version, keep=True, receive_maximum=AHEAD, acknowledge=False) as back:
        back.quiet()
        ahead = len(back.came)
        back.acknowledge_all()
        kept = len({message.payload for message in back.came})
    with Visitor(settings.broker, name, version=version):
        pass  # a clean start ends the session
    yield _queue(kept, sent)
    if version == "5":
        yield _ahead(ahead)


def _queue(kept: int, sent: int) -> Finding:
    if kept < sent:
        return warn(
            "queue",
            f"{kept} of {sent} messages were kept for a session that was away, the others lost without a word",
            expected="frames a second times seconds of absence",
            do="set max_queued_messages (and max_queued_bytes) as in configs/mosquitto.conf",
        )
    if sent < QUEUED:
        return warn(
            "queue",
            f"the broker took {sent} of {QUEUED} small messages in {PATIENCE_S * 2:.0f} s, and kept them",
            expected="all of them",
            do="look at its disk; how many it keeps is not known",
        )
    return ok("queue", f"all of {kept} messages were kept for a session that was away; its bytes were not tried")


def _ahead(ahead: int) -> Finding:
    if ahead <= AHEAD:
        return ok("receive maximum", f"kept: {ahead} messages came ahead of their acknowledgement")
    return warn(
        "receive maximum",
        f"{ahead} messages came ahead of their acknowledgement",
        expected=f"{AHEAD}, as was asked",
        do="the daemon holds its connection back instead; mosquitto keeps it from 2.0.12 on",
    )
