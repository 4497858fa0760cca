"""Finding the frames of a part: page after page, none passed over in silence."""

import re

import pytest
from line import drawn_part
from pages import Page
from review_site import ReviewSite

from inspector.web.pages import find


def test_every_frame_of_a_part_can_be_reached(site: ReviewSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(find, "PAGE", 3)
    part = "50 % & <more>"
    frames = [site.add(drawn_part(1000), part_id=part, kept=False) for _ in range(8)]
    seen: list[list[int]] = []
    with site.client() as olga:
        page = Page(olga.get("/find", params={"part": part}).text)
        assert "The newest 3 frames; there are older ones." in page.text
        while True:
            links = [str(said["href"]) for said in page.all("a")]
            seen.append([int(found[1]) for link in links if (found := re.match(r"/frame/(\d+)", link))])
            older = [str(said["href"]) for said in page.all("a") if said.get("rel") == "next"]
            if not older:
                break
            page = Page(olga.get(older[0]).text)
        assert "The newest" not in page.text
        assert [len(rows) for rows in seen] == [3, 3, 2]
        assert [frame for rows in seen for frame in rows] == frames[::-1]
        (newest,) = [str(said["href"]) for said in page.all("a") if "/find" in str(said["href"])]
        assert "The newest 3" in olga.get(newest).text
        assert "That was all." in olga.get("/find", params={"part": part, "before": frames[0]}).text
        for before in ("0", str(2**63), "x"):
            assert olga.get("/find", params={"part": part, "before": before}).status_code == 422


def test_a_part_with_as_many_frames_as_a_page_has_no_older_ones(
    site: ReviewSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(find, "PAGE", 2)
    for _ in range(2):
        site.add(drawn_part(1000), part_id="twice", kept=False)
    with site.client() as olga:
        page = Page(olga.get("/find?part=twice").text)
    assert "older" not in page.text


def test_a_part_is_found_with_the_blank_that_a_tablet_adds_and_one_that_has_blanks_too(site: ReviewSite) -> None:
    plain, blank = (site.add(drawn_part(1000), part_id=part, kept=False) for part in ("P 77", " P 78 "))
    with site.client() as olga:
        for typed, frame in (("P 77 ", plain), ("\tP 77", plain), (" P 78 ", blank)):
            assert f'href="/frame/{frame}?' in olga.get("/find", params={"part": typed}).text
        assert "No frame with this part id" in olga.get("/find", params={"part": "  "}).text


def test_a_frame_without_a_part_id_is_found_by_the_name_on_its_card(site: ReviewSite) -> None:
    other = site.add(drawn_part(1000), frame_id="cam-8841", part_id="p-1", kept=False)
    frame = site.add(drawn_part(1000), frame_id="cam-8842", part_id=None, kept=False)
    namesake = site.add(drawn_part(1000), part_id="cam-8842", kept=False)
    with site.client() as olga:
        found = olga.get("/find?part=cam-8842").text
        assert [f'href="/frame/{one}?' in found for one in (other, frame, namesake)] == [False, True, True]
        assert f'href="/frame/{other}?' not in olga.get("/find?part=cam-8841").text, "its card says p-1"


def test_a_part_that_a_tablet_began_with_a_capital_is_offered_as_it_is_called(site: ReviewSite) -> None:
    lower, upper = (site.add(drawn_part(1000), part_id=part, kept=False) for part in ("part-x51", "QR-X52"))
    with site.client() as olga:
        for typed, meant, frame in (("Part-x51 ", "part-x51", lower), ("qr-x52", "QR-X52", upper)):
            page = olga.get("/find", params={"part": typed}).text
            assert f'href="/frame/{frame}?part={meant}&' in page
            assert f"There is no {typed.strip()}; these frames are of {meant}." in Page(page).text
        assert "There is no" not in olga.get("/find?part=part-x51").text


def test_a_tablet_leaves_as_it_is_what_names_a_part_or_a_lot(site: ReviewSite) -> None:
    with site.client() as olga:
        fields = [said for path in ("/", "/help", "/find?part=x") for said in Page(olga.get(path).text).all("input")]
    named = [said for said in fields if said.get("name") in ("part", "lot", "reviewer", "bank")]
    assert len(named) == 6
    assert {(said.get("autocapitalize"), said.get("spellcheck")) for said in named} == {("none", "false")}
