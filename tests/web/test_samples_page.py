"""The page Samples by its answers: what it shows, what it takes, what it refuses."""

import hashlib
import io
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import cv2
import httpx
import numpy as np
import pytest
from line import CAM1, drawn_part
from pages import HOSTILE
from pages import Page as Parsed
from PIL import Image
from review_site import NOON, ReviewSite, posted, running_site

from inspector import recipe as recipes
from inspector.roi import Roi
from inspector.samples import folder as folder_module
from inspector.samples.folder import SampleFolder
from inspector.samples.naming import digest_of, named_digest
from inspector.web import body
from inspector.web.pages.samples import PAGE

STATION = str(CAM1)
RAW = {"content-type": "application/octet-stream", "accept": "application/json"}


@pytest.fixture
def samples(site: ReviewSite) -> Iterator[SampleFolder]:
    """The folder of the first station, empty."""
    found = SampleFolder(site.settings.data_dir, STATION)
    yield found
    found.leave_out([one.name for one in found.samples()])
    found.remove(found.samples())
    found.recipe_file.unlink(missing_ok=True)


@pytest.fixture
def emil(site: ReviewSite) -> Iterator[httpx.Client]:
    with site.client("emil") as client:
        yield client


def put(samples: SampleFolder, number: int) -> list[str]:
    """So many drawn parts, one a minute; their names."""
    names = [samples.add(drawn_part(seed), NOON + timedelta(minutes=seed)) for seed in range(number)]
    return [name for name in names if name is not None]


def send(client: httpx.Client, data: bytes, station: str = STATION, name: str = "part.png") -> httpx.Response:
    return client.post(f"/samples/pictures?{urlencode({'station': station, 'name': name})}", content=data, headers=RAW)


def of(name: str, station: str = STATION) -> str:
    return urlencode({"station": station, "name": name})


def shown(page: httpx.Response) -> list[str]:
    """The names of the pictures on a page."""
    return [said["value"] or "" for said in Parsed(page.text).all("input") if said.get("name") == "name"]


def test_a_station_without_samples_has_a_page_and_no_folder(emil: httpx.Client, samples: SampleFolder) -> None:
    page = emil.get("/samples")
    assert page.status_code == 200
    assert "None yet. Collect some from the running line" in page.text
    assert Parsed(page.text).obeys_the_policy


def test_pictures_come_in_pages_in_the_order_of_the_line(emil: httpx.Client, samples: SampleFolder) -> None:
    names = put(samples, PAGE + 5)
    first, second = emil.get("/samples"), emil.get("/samples?page=2")
    assert (shown(first), shown(second)) == (names[:PAGE], names[PAGE:])
    assert f"1 to {PAGE} of {PAGE + 5}" in first.text
    assert "2026-03-02 12:00:00" in first.text
    assert shown(emil.get("/samples?page=99")) == names[PAGE:], "the last one"
    assert Parsed(first.text).obeys_the_policy


def test_what_is_left_out_is_shown_apart_and_comes_back_to_the_same_place(
    emil: httpx.Client, samples: SampleFolder
) -> None:
    names = put(samples, PAGE + 5)
    query = urlencode({"station": STATION, "page": 2})
    answer = emil.post(f"/samples/leave_out?{query}", data={"name": [names[PAGE], names[PAGE + 1], "gone.png"]})
    assert (answer.status_code, answer.headers["location"]) == (
        303,
        f"/samples?{query}&did=left_out&number=2#pictures",
    )
    assert "2 pictures left out" in emil.get(answer.headers["location"]).text
    late = emil.post(f"/samples/leave_out?{query}", data={"name": names[PAGE]})
    assert "Nothing was changed: what was ticked had gone from here." in emil.get(late.headers["location"]).text
    assert shown(emil.get("/samples?page=2")) == names[PAGE + 2 :]
    assert shown(emil.get("/samples?show=left_out")) == names[PAGE : PAGE + 2]
    emil.post("/samples/take_back?show=left_out", data={"name": names[PAGE]})
    assert shown(emil.get("/samples?page=2")) == [names[PAGE], *names[PAGE + 2 :]]
    assert "Nothing was ticked" in emil.post("/samples/leave_out").text


def test_only_what_was_seen_is_deleted(emil: httpx.Client, samples: SampleFolder) -> None:
    def seen() -> str:
        [field] = [
            one for one in Parsed(emil.get("/samples?show=left_out").text).all("input") if one.get("name") == "seen"
        ]
        return field["value"] or ""

    names = put(samples, 4)
    samples.leave_out(names[:1])
    before = seen()
    samples.take_back(names[:1])
    samples.leave_out(names[1:2])
    late = emil.post("/samples/remove?show=left_out", data={"seen": before})
    assert late.status_code == 409
    assert "Others are left out now" in late.text
    assert len(samples.samples()) == 4
    assert emil.post("/samples/remove?show=left_out", data={"seen": seen()}).status_code == 303
    assert [one.name for one in samples.samples()] == [names[0], *names[2:]]


def test_a_picture_and_its_thumbnail(emil: httpx.Client, samples: SampleFolder) -> None:
    [name] = put(samples, 1)
    whole, small = emil.get(f"/samples/picture?{of(name)}"), emil.get(f"/samples/thumbnail?{of(name)}")
    assert whole.content == drawn_part(0)
    assert small.headers["content-type"] == "image/jpeg"
    assert Image.open(io.BytesIO(small.content)).size == (96, 96)
    assert "immutable" in whole.headers["cache-control"]
    assert "immutable" in small.headers["cache-control"]
    samples.leave_out([name])
    assert emil.get(f"/samples/picture?{of(name)}").content == drawn_part(0)


def test_large_turned_and_foreign_pictures_become_small_upright_ones(emil: httpx.Client, samples: SampleFolder) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    written = io.BytesIO()
    Image.new("RGB", (1600, 800), "red").save(written, "JPEG", exif=turned)
    jpeg = samples.add(written.getvalue(), NOON)
    tiff = samples.add(bytes(cv2.imencode(".tiff", np.zeros((900, 1200, 3), np.uint8))[1]), NOON)
    assert jpeg is not None
    assert tiff is not None
    sizes = [Image.open(io.BytesIO(emil.get(f"/samples/thumbnail?{of(name)}").content)).size for name in (jpeg, tiff)]
    assert sizes == [(150, 300), (400, 300)]
    assert emil.get(f"/samples/picture?{of(tiff)}").headers["content-type"] == "image/png"


def test_a_file_that_is_no_sound_picture_says_so_in_its_place(emil: httpx.Client, samples: SampleFolder) -> None:
    samples.good.mkdir(parents=True, exist_ok=True)
    huge = io.BytesIO()
    Image.new("L", (9000, 9000)).save(huge, "JPEG")
    for name, data in (
        ("cut.png", drawn_part(1)[:200]),
        ("huge.jpg", huge.getvalue()),
        ("cut.jpg", huge.getvalue()[:90]),
    ):
        (samples.good / name).write_bytes(data)
        answer = emil.get(f"/samples/thumbnail?{of(name)}")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/svg+xml"), name
        assert "No sound picture" in answer.text
        assert answer.headers["cache-control"] == "private, no-cache"
    assert emil.get(f"/samples/picture?{of('cut.png')}").status_code == 200


@pytest.mark.parametrize("path", ["/samples/picture", "/samples/thumbnail"])
@pytest.mark.parametrize(
    "name", ["../recipe.yaml", "../../../../../ledger.sqlite3", "/etc/passwd", "..", "", "a\0b", "gone.png"]
)
def test_no_name_leads_out_of_the_folder(emil: httpx.Client, samples: SampleFolder, path: str, name: str) -> None:
    put(samples, 1)
    answer = emil.get(f"{path}?{of(name)}")
    assert answer.status_code == 404
    assert "root:" not in answer.text


@pytest.mark.parametrize("name", ["../recipe.yaml", "/etc/passwd", "..", "\0"])
def test_no_name_of_a_form_moves_anything_else(emil: httpx.Client, samples: SampleFolder, name: str) -> None:
    put(samples, 1)
    samples.look_at(None)
    assert emil.post("/samples/leave_out", data={"name": name}).headers["location"].endswith("number=0#pictures")
    assert samples.recipe_file.exists()


@pytest.mark.parametrize("station", ["plant/hall1/line1/cam9", "../../../..", "a/b/c/<script>alert(1)</script>"])
def test_only_stations_of_the_settings_have_samples(site: ReviewSite, emil: httpx.Client, station: str) -> None:
    query = urlencode({"station": station})
    refused = [
        emil.get(f"/samples?{query}"),
        emil.get(f"/samples/progress?{query}"),
        emil.get(f"/samples/picture?{of('x.png', station)}"),
        emil.post(f"/samples/collect?{query}", data={"count": "5"}),
        emil.post(f"/samples/stop?{query}"),
        emil.post(f"/samples/leave_out?{query}", data={"name": "x.png"}),
        emil.post(f"/samples/remove?{query}", data={"seen": "0"}),
        send(emil, drawn_part(1), station),
    ]
    assert [answer.status_code for answer in refused] == [400] * len(refused)
    assert not any("<script>alert" in answer.text for answer in refused[:1])
    assert [one.name for one in (site.settings.data_dir / "samples").rglob("cam9")] == []


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"count": "0"},
        {"count": "5001"},
        {"count": "x"},
        {"count": "5", "over_s": "-1"},
        {"count": "5", "over_s": "90000"},
    ],
)
def test_a_collection_that_cannot_be_is_not_begun(
    emil: httpx.Client, samples: SampleFolder, form: dict[str, str]
) -> None:
    assert emil.post("/samples/collect", data=form).status_code == 422
    assert not samples.collection_file.exists()


def test_words_of_files_and_cameras_are_never_markup(emil: httpx.Client, samples: SampleFolder) -> None:
    for name in HOSTILE:
        answer = send(emil, b"GIF89a", name=name)
        assert answer.status_code == 422
    samples.folder.mkdir(parents=True, exist_ok=True)
    lots = ",".join(f'"{word}": 1' for word in ("<script>alert(1)</script>", "<img src=x onerror=alert(1)>"))
    samples.collection_file.write_text(
        f'{{"id": "1", "by": "<b>", "begun": "2026-03-02T12:00:00Z", "count": 3, "over_s": 0, "state": "failed", '
        f'"lots": {{{lots}}}, "taken": 2, "unreadable": 1, "why": "<i>", "ended": "<u>"}}'
    )
    page = emil.get("/samples")
    samples.collection_file.unlink()
    assert not {tag for tag, _ in Parsed(page.text).tags} & {"i", "u"}
    assert Parsed(page.text).obeys_the_policy
    assert "<script>alert(1)" not in page.text
    assert "alert(1)" in Parsed(page.text).text


def test_where_to_look_is_told(emil: httpx.Client, samples: SampleFolder) -> None:
    assert "the whole frame" in emil.get("/samples").text
    samples.look_at(Roi.model_validate({"frame_wh": (96, 96), "include": ([(0, 0), (47, 0), (47, 95), (0, 95)],)}))
    assert recipes.load(samples.recipe_file).roi is not None
    assert "50% of the frame" in emil.get("/samples").text
    samples.recipe_file.write_text("size_wh: [")
    page = emil.get("/samples")
    assert page.status_code == 200
    assert "not YAML" in page.text


def test_a_picture_that_is_sent_is_a_sample_once(emil: httpx.Client, samples: SampleFolder) -> None:
    answer = send(emil, drawn_part(1), name="../../evil.sh")
    assert answer.status_code == 200
    [one] = samples.samples()
    assert answer.json() == {"taken": True, "name": one.name}
    assert one.name.endswith(f"Z-{digest_of(drawn_part(1))}.png")
    assert samples.path(one.name).read_bytes() == drawn_part(1)
    assert send(emil, drawn_part(1)).json() == {"taken": False, "name": None}
    samples.leave_out([one.name])
    assert send(emil, drawn_part(1)).json() == {"taken": False, "name": None}


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "got 0 bytes"),
        (b"GIF89a", "got GIF"),
        (b"<svg onload=alert(1)>", "expected a JPEG, PNG, TIFF or BMP"),
        (drawn_part(1)[:300], "PNG of 300 bytes ends within a chunk"),
    ],
)
def test_what_is_no_picture_is_refused_with_the_decoders_words(
    emil: httpx.Client, samples: SampleFolder, data: bytes, why: str
) -> None:
    answer = send(emil, data)
    assert answer.status_code == 422
    assert why in answer.json()["error"]
    assert samples.samples() == []


def test_a_picture_of_more_pixels_than_the_line_takes_is_refused(emil: httpx.Client, samples: SampleFolder) -> None:
    written = io.BytesIO()
    Image.new("1", (9000, 9000)).save(written, "PNG")
    answer = send(emil, written.getvalue())
    assert answer.status_code == 422
    assert "81 MP" in answer.json()["error"]
    assert samples.samples() == []


def test_a_full_station_takes_none(emil: httpx.Client, samples: SampleFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_module, "MOST", 1)
    put(samples, 1)
    answer = send(emil, drawn_part(5))
    assert answer.status_code == 409
    assert "1 is the most" in answer.json()["error"]
    begun = emil.post("/samples/collect", data={"count": "5"})
    assert begun.status_code == 400
    assert "1 is the most" in begun.text


@pytest.mark.faults
def test_a_folder_that_cannot_be_read_or_written_is_told(emil: httpx.Client, samples: SampleFolder) -> None:
    samples.folder.mkdir(parents=True, exist_ok=True)
    if samples.good.exists():
        samples.good.rmdir()
    samples.good.write_text("a file where the folder should be")
    page, sent, begun = (
        emil.get("/samples"),
        send(emil, drawn_part(1)),
        emil.post("/samples/collect", data={"count": "5"}),
    )
    samples.good.unlink()
    assert page.status_code == 200
    assert "good: cannot be read" in page.text
    assert (sent.status_code, begun.status_code) == (507, 400)
    assert "good: cannot be read" in sent.json()["error"]


def test_a_picture_may_be_large_and_nothing_else(emil: httpx.Client, samples: SampleFolder) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (1000, 1000, 3), np.uint8)
    picture = bytes(cv2.imencode(".png", noise)[1])
    assert len(picture) > 2_900_000
    assert send(emil, picture).json()["taken"]
    query = urlencode({"station": STATION})
    for path, headers in (
        (f"/samples/leave_out?{query}", RAW),
        (f"/samples/pictures?{query}", {"content-type": "multipart/form-data; boundary=x"}),
        (f"/samples/pictures?{query}", {"content-type": "application/x-www-form-urlencoded"}),
    ):
        del emil.headers["x-csrf-token"]
        answer = emil.post(path, content=picture, headers={"accept": "application/json", **headers})
        emil.headers["x-csrf-token"] = emil.get("/api/v1/me").json()["csrf"]
        assert answer.status_code in (403, 413), path
    assert emil.post(f"/samples/pictures?{query}", data={"a": "b"}).status_code == 415
    assert len(samples.samples()) == 1


def asked(site: ReviewSite, headers: dict[str, str], sent: bytes = b"") -> str:
    """The first line of the answer to a picture of which only `sent` is sent."""
    where = urlsplit(site.url)
    with socket.create_connection((where.hostname or "", where.port or 0), timeout=20) as raw:
        lines = [f"POST /samples/pictures?{urlencode({'station': STATION})} HTTP/1.1", f"host: {where.netloc}"]
        lines += [f"{name}: {value}" for name, value in {**RAW, **headers}.items()]
        raw.sendall("\r\n".join([*lines, "", ""]).encode() + sent)
        return raw.makefile("rb").readline().decode().strip()


def identity(client: httpx.Client) -> dict[str, str]:
    """The headers by which the page knows who asks."""
    cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    return {"cookie": cookie, "x-csrf-token": client.headers["x-csrf-token"]}


def test_the_role_is_asked_before_the_picture_is_read(site: ReviewSite) -> None:
    """No byte of it is sent, and the answer is there."""
    large = {"content-length": "60000000"}
    assert asked(site, large).startswith("HTTP/1.1 401")
    with site.client("olga") as olga, site.client("emil") as emil:
        for client, status in ((olga, "403"), (emil, "403")):
            said = identity(client)
            if client is emil:
                del said["x-csrf-token"]
            assert asked(site, large | said).startswith(f"HTTP/1.1 {status}")


def test_a_picture_beyond_the_bound_is_refused_by_its_length(site: ReviewSite) -> None:
    with site.client("emil") as emil:
        own = identity(emil)
    assert asked(site, own | {"content-length": "64000001"}).startswith("HTTP/1.1 413")


def test_a_picture_that_never_comes_is_given_up(site: ReviewSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "_PICTURE", body._Bound(64_000_000, 0.5))
    with site.client("emil") as emil:
        own = identity(emil)
    assert asked(site, own | {"content-length": "60000000"}, b"\x89PNG").startswith("HTTP/1.1 408")


def test_pictures_that_come_at_once_are_all_taken(emil: httpx.Client, samples: SampleFolder) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda seed: send(emil, drawn_part(seed)).json()["taken"], [*range(12)] * 2))
    assert answers.count(True) == 12
    assert len(samples.samples()) == 12


def test_what_operators_called_good_becomes_samples_once(
    site: ReviewSite, emil: httpx.Client, samples: SampleFolder
) -> None:
    parts = [drawn_part(9100 + number, scratched=True) for number in range(5)]
    alarm, passed, defect, gone, left_out = (
        site.add(part, sampled=number == 1, minutes=float(number)) for number, part in enumerate(parts)
    )
    for frame in (alarm, passed, gone, left_out):
        posted(emil, f"/api/v1/frames/{frame}/disposition", version=0, to="false_alarm").raise_for_status()
    posted(emil, f"/api/v1/frames/{defect}/disposition", version=0, to="defect").raise_for_status()
    aside = samples.add(parts[4], NOON)
    assert aside is not None
    samples.leave_out([aside])
    page = f"/samples?{urlencode({'station': STATION})}"
    before = Parsed(emil.get(page).text).text
    site.archive.path(hashlib.sha256(parts[3]).hexdigest(), "png").unlink()
    answer = emil.post(f"/samples/take?{urlencode({'station': STATION})}")
    here = {named_digest(one.name) for one in samples.samples() if not one.left_out}
    assert "Operators called 3 frames good that are no samples yet" in before
    assert answer.status_code == 409
    assert "2 were taken. Of 1 more the picture cannot be read" in answer.text
    assert here == {digest_of(part) for part in parts[:2]}
    assert "Operators called 1 frame good" in Parsed(emil.get(page).text).text


def test_operators_and_forged_requests_change_nothing(site: ReviewSite, samples: SampleFolder) -> None:
    names = put(samples, 2)
    with site.client("olga") as olga, site.client("emil") as forged:
        del forged.headers["x-csrf-token"]
        for client in (olga, forged):
            for path, data in (("leave_out", {"name": names}), ("collect", {"count": "5"}), ("remove", {"seen": "0"})):
                assert client.post(f"/samples/{path}", data=data).status_code == 403
            assert send(client, drawn_part(9)).status_code == 403
        assert olga.get("/samples").status_code == 403
        assert 'href="/samples"' not in olga.get("/").text
    assert [(one.name, one.left_out) for one in samples.samples()] == [(name, False) for name in names]
    assert not samples.collection_file.exists()


def test_pages_of_one_station_do_not_show_another(tmp_path: Path, bank: Path) -> None:
    with running_site(tmp_path, bank) as site, site.client("emil") as emil:
        put(SampleFolder(site.settings.data_dir, STATION), 2)
        assert len(shown(emil.get(f"/samples?{urlencode({'station': STATION})}"))) == 2
        assert shown(emil.get(f"/samples?{urlencode({'station': site.settings.station_names[1]})}")) == []


def test_a_browser_that_goes_away_in_the_middle_of_a_picture_is_no_fault(
    site: ReviewSite, emil: httpx.Client, samples: SampleFolder, caplog: pytest.LogCaptureFixture
) -> None:
    where = urlsplit(site.url)
    head = [
        f"POST /samples/pictures?{urlencode({'station': STATION})} HTTP/1.1",
        f"host: {where.netloc}",
        f"cookie: {'; '.join(f'{name}={value}' for name, value in emil.cookies.items())}",
        f"x-csrf-token: {emil.headers['x-csrf-token']}",
        "content-type: application/octet-stream",
        "content-length: 100000",
    ]
    for _ in range(6):
        with socket.create_connection((where.hostname or "", where.port or 0), timeout=20) as raw:
            raw.sendall("\r\n".join([*head, "", "half"]).encode())
            time.sleep(0.2)
    assert send(emil, drawn_part(1)).json()["taken"]  # and nobody waits behind those who are gone
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []


def test_a_crop_in_the_recipe_is_told_where_no_region_is(emil: httpx.Client, samples: SampleFolder) -> None:
    put(samples, 1)
    samples.recipe_file.write_text("crop: {x: 8, y: 16, width: 80, height: 64}\n")
    page = " ".join(emil.get("/samples").text.split())
    assert 'looks at <b id="looks-at">80×64 pixels from 8, 16 on</b>' in page
