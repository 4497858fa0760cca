"""A candidate that is calibrated from the station's samples: with a bank in use, as the first one, and stopped."""

import json
import os
import shutil
import sqlite3
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.machinery import PathFinder
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import pytest
from banks import write_good
from line import CAM1, CAM2, drawn_part
from pages import Page
from review_site import ReviewSite, posted
from services import DEADLINE_S, files_no_larger_than, holder_of, wait_until

from calibration.backbones import builtin
from calibration.calibrate import Options, calibrate
from calibration.candidates.anew import calibrate_anew
from calibration.candidates.making import making
from inspector.bank import Bank
from inspector.banks.promotion import promote
from inspector.banks.rebuilding import candidates_folder, is_running, start_calibration, stop
from inspector.charts.wording import told_apart
from inspector.errors import BankError, SamplesError
from inspector.progress import silent
from inspector.recipe import Recipe
from inspector.roi import Roi
from inspector.samples.asked import Asked
from inspector.samples.folder import SampleFolder
from inspector.store import Candidates
from inspector.store.database import sqlite_file

STATION = str(CAM1)
T = TypeVar("T")


@pytest.fixture
def site(roomy_site: ReviewSite) -> ReviewSite:
    folder = SampleFolder(roomy_site.settings.data_dir, STATION)
    write_good(folder.good, 20, first_seed=1000)
    folder.recipe_file.write_text("size_wh: [64, 64]\nvectors: 500\nwhitening: 0\n")
    return roomy_site


MIDDLE = ((30, 30), (66, 30), (66, 66), (30, 66))


@pytest.fixture
def own_way(site: ReviewSite) -> Bank:
    """A bank in use that looks its own way, with a net of its own, and no recipe beside the samples."""
    samples, place = SampleFolder(site.settings.data_dir, STATION), site.settings.stations[0].bank
    samples.recipe_file.unlink()
    net = site.folder / "net.safetensors"
    payload = bytearray(builtin.default_weights_path().read_bytes())
    payload[-1] ^= 1  # of the last weight's exponent
    net.write_bytes(payload)
    recipe = Recipe(
        name="tile", size_wh=(64, 64), layers=("stride8",), vectors=64, whitening=0, light=0.1,
        roi=Roi(frame_wh=(96, 96), include=(MIDDLE,)),
    )  # fmt: skip
    shutil.rmtree(place)
    calibrate(samples.good, place, Options(recipe=recipe, backbone=f"builtin@{net}", folds=3, blocks=True))
    return Bank.load(place)


def test_where_nothing_was_drawn_it_is_made_as_the_bank_in_use_was(site: ReviewSite, own_way: Bank) -> None:
    with site.client("emil") as client:
        assert '<b id="looks-at">15% of the frame</b>' in client.get("/samples").text
    add = drawn_part(5000)
    (SampleFolder(site.settings.data_dir, STATION).good / "further.png").write_bytes(add)
    made = calibrate_anew(site.settings, site.engine, STATION, Asked(max_false_reject=0.1), by="emil")
    was, now = own_way.manifest, Bank.load(Path(made.path)).manifest
    assert now.recipe == was.recipe
    assert now.backbone == was.backbone
    assert now.backbone.weights_sha256 != builtin.load_weights().digest
    assert (now.calibration.fold_by, now.calibration.folds) == ("block", 3)
    assert (len(now.samples), now.calibration.promise.max_false_reject) == (21, 0.1)
    assert now.lineage.parent == own_way.ref.digest


def test_another_region_begins_with_what_the_bank_in_use_looks_at(site: ReviewSite, own_way: Bank) -> None:
    left = [[0, 0], [47, 0], [47, 95], [0, 95]]
    with site.client("emil") as client:
        [page] = [said for said in Page(client.get("/samples/region").text).all("div") if said.get("id") == "region"]
        assert json.loads(page["data-drawing"] or "")["include"] == [{"corners": [list(at) for at in MIDDLE]}]
        sent = {"station": STATION, "seen": "", "frame_wh": [96, 96], "include": [{"corners": left}]}
        assert posted(client, "/samples/region", **sent).json()["share"] == 0.5
        assert '<b id="looks-at">50% of the frame</b>' in client.get("/samples").text
    drawn = SampleFolder(site.settings.data_dir, STATION).recipe()
    assert drawn.roi == Roi(frame_wh=(96, 96), include=(left,))
    assert drawn.model_copy(update={"roi": own_way.recipe.roi}) == own_way.recipe


def test_a_damaged_bank_says_nothing_of_the_next_one(site: ReviewSite, own_way: Bank) -> None:
    (own_way.path / "memory.safetensors").write_bytes(b"")
    with site.client("emil") as client:
        assert '<b id="looks-at">the whole frame</b>' in client.get("/samples").text
    made = calibrate_anew(site.settings, site.engine, STATION, Asked(max_false_reject=0.1), by="emil")
    assert Bank.load(Path(made.path)).recipe.roi is None


def small_part(seed: int) -> bytes:
    """A part as a camera of fewer pixels shows it."""
    picture = cv2.imdecode(np.frombuffer(drawn_part(seed), np.uint8), cv2.IMREAD_COLOR)
    return bytes(cv2.imencode(".png", cv2.resize(picture, (48, 48)))[1])


def ended(site: ReviewSite, number: int) -> None:
    wait_until(
        lambda: Candidates(site.engine).get(number).state not in ("building", "built"),
        "it is done, which gives way to all else",
        deadline_s=3 * DEADLINE_S,
    )
    wait_until(lambda: not is_running(site.settings, STATION), "the lock is free")


def test_beside_a_bank_in_use(site: ReviewSite) -> None:
    place = site.settings.stations[0].bank
    before = Bank.load(place)
    defect = site.add(drawn_part(100, scratched=True))
    site.reviews.dispose(defect, to="defect", reviewer="olga", version=0)
    number = start_calibration(site.settings, site.engine, STATION, Asked(max_false_reject=0.1), by="emil")
    ended(site, number)
    made = Candidates(site.engine).get(number)
    assert made.state == "shadowed", made.document
    assert (made.base_digest, made.document["shadow"]["guard"]) == (before.ref.digest, 1)
    found = made.document["found"]
    assert (found["samples"], len(found["highest"])) == (20, 8)
    assert all(0 < each < 1 for one in found["highest"] for each in one["at"])
    built = Bank.load(Path(made.path))
    assert built.manifest.lineage.parent == before.ref.digest
    assert built.recipe.name == before.recipe.name
    was, now = before.manifest.calibration, built.manifest.calibration
    ok, ng, ok_now, ng_now = told_apart(was.ok, was.ng, now.ok, now.ng)
    with site.client("emil") as client:
        page = Page(client.get(f"/banks/candidates/{number}").text).text
    assert f"Promise {was.promise.in_words()} → {now.promise.in_words()}" in page
    assert f"Thresholds ok {ok} → {ok_now}, ng {ng} → {ng_now} " in page
    assert Bank.load(place).ref == before.ref


def test_a_first_bank_has_no_base_and_can_be_promoted(site: ReviewSite) -> None:
    place = site.settings.stations[0].bank
    shutil.rmtree(place)
    number = start_calibration(site.settings, site.engine, STATION, Asked(max_false_reject=0.1), by="emil")
    ended(site, number)
    made = Candidates(site.engine).get(number)
    assert (made.state, made.base_digest, made.document["shadow"]["frames"]) == ("shadowed", None, 0)
    with site.client("emil") as client:
        page = client.get(f"/banks/candidates/{number}")
    assert f"Promise {Bank.load(Path(made.path)).manifest.calibration.promise.in_words()} " in Page(page.text).text
    assert (page.status_code, f"The same bank inspects {CAM2}" in page.text) == (200, True)
    assert f"samples are of {STATION} alone" in page.text
    promote(site.settings, site.engine, STATION, Path(made.path), by="emil")
    assert Bank.load(place).ref.digest == made.digest
    assert Candidates(site.engine).get(number).state == "promoted"


@pytest.mark.parametrize(
    ("path", "sent"), [("/samples/calibrate", {"budget": "10"}), ("/banks/rebuild", {"station": STATION})]
)
def test_a_page_without_what_makes_banks_says_what_to_install(
    site: ReviewSite, monkeypatch: pytest.MonkeyPatch, path: str, sent: dict[str, str]
) -> None:
    find = PathFinder.find_spec
    monkeypatch.setattr(
        PathFinder, "find_spec", lambda name, *more: None if name == "threadpoolctl" else find(name, *more)
    )
    monkeypatch.delitem(sys.modules, "threadpoolctl", raising=False)
    with site.client("emil") as client:
        page = client.post(path, data=sent).text
    assert "threadpoolctl is not installed where this page runs; install inspector[bank] from" in Page(page).text
    assert Candidates(site.engine).of(STATION) == []


@pytest.mark.parametrize(("left", "told"), [(["notes.txt"], "no manifest.json there"), ([], None)])
def test_what_lies_at_the_place_and_is_no_bank_is_told(site: ReviewSite, left: list[str], told: str | None) -> None:
    place = site.settings.stations[0].bank
    shutil.rmtree(place)
    place.mkdir()
    for name in left:
        (place / name).write_text("of somebody")
    made = calibrate_anew(site.settings, site.engine, STATION, Asked(max_false_reject=0.1), by="emil")
    assert (made.state, made.base_digest) == ("shadowed", None)
    unusable = made.document.get("unusable")
    assert unusable is None if told is None else told in unusable


def test_a_candidate_that_does_not_fit_the_recorded_pictures_says_why_nothing_could_be_tried(site: ReviewSite) -> None:
    samples = SampleFolder(site.settings.data_dir, STATION)
    samples.recipe_file.write_text(samples.recipe_file.read_text() + "crop: {x: 8, y: 8, width: 80, height: 80}\n")
    for seed in range(3):
        frame = site.add(small_part(seed))
        site.reviews.dispose(frame, to="defect", reviewer="olga", version=0)
    made = calibrate_anew(site.settings, site.engine, STATION, Asked(max_false_reject=0.1), by="emil")
    assert (made.state, made.document["shadow"]["frames"]) == ("shadowed", 0)
    with site.client("emil") as client:
        page = Page(client.get(f"/banks/candidates/{made.id}").text).text
        listed = Page(client.get("/banks").text).text
    assert "None of 3 recorded frames could be tried: what it would change is not known. " in page
    assert "Not tried 3 × wrong_size, such as f-1 : got 48x48 pixels, but recipe 'disc' crops 80x80 at (8, 8);" in page
    assert "none of 3 confirmed defects could be tried" in page
    assert "No verdict changes" not in page
    assert "0 of 0" not in page + listed


def test_it_is_stopped_and_leaves_nothing(site: ReviewSite) -> None:
    folder = SampleFolder(site.settings.data_dir, STATION)
    for seed in range(2000, 2300):
        (folder.good / f"more{seed}.png").write_bytes(drawn_part(seed))
    number = start_calibration(site.settings, site.engine, STATION, Asked(finetune=True), by="emil")
    with site.client("ada") as client:
        assert 'id="stop"' in client.get(f"/banks/candidates/{number}").text
        assert client.post(f"/banks/candidates/{number}/stop").status_code == 303
        assert "stopped by ada" in client.get(f"/banks/candidates/{number}").text
    ended(site, number)
    made = Candidates(site.engine).get(number)
    assert (made.state, made.document["fault"]) == ("failed", "stopped by ada")
    assert [entry.name for entry in candidates_folder(site.settings, STATION).iterdir()] == ["lock"]


def test_after_a_restore_whose_numbers_begin_lower_a_new_candidate_stays_and_the_oldest_makes_room(
    site: ReviewSite,
) -> None:
    folder = candidates_folder(site.settings, STATION)
    for number, at in zip((7, 8, 9, 5, 6), (100, 200, 300, 400, 2e10), strict=True):  # the last by a clock far ahead
        (folder / str(number)).mkdir(parents=True)
        os.utime(folder / str(number), (at, at))

    def made() -> str:
        begun = making(site.settings, site.engine, STATION, by="emil", base=None, track=silent, on_begun=lambda: None)
        with begun as made:
            made.out.mkdir()
        return made.out.name

    def there() -> set[str]:
        return {entry.name for entry in folder.iterdir()} - {"lock"}

    assert (made(), there()) == ("1", {"1", "8", "9", "5", "6"})
    os.utime(folder / "1", (50, 50))  # and by one that was behind
    assert (made(), there()) == ("2", {"2", "8", "9", "5", "6"})


@pytest.mark.parametrize("more", ["", "shift: 0.05\ncrop: {x: 8, y: 8, width: 48, height: 48}\n"])
def test_samples_that_somebody_leaves_out_and_deletes_meanwhile(site: ReviewSite, more: str) -> None:
    samples = SampleFolder(site.settings.data_dir, STATION)
    samples.recipe_file.write_text(samples.recipe_file.read_text() + more)

    def and_meanwhile(items: Sequence[T], label: str, /) -> Iterable[T]:
        """A track whose first step after the reading is when a colleague is quick."""
        if label != "reading samples":
            samples.leave_out([one.name for one in samples.samples()])
            samples.remove(samples.samples())
        return items

    made = calibrate_anew(
        site.settings, site.engine, STATION, Asked(max_false_reject=0.1), by="emil", track=and_meanwhile
    )
    assert made.state == "shadowed", made.document
    assert (samples.samples(), made.document["found"]["samples"]) == ([], 20)
    assert sorted(entry.name for entry in candidates_folder(site.settings, STATION).iterdir()) == [str(made.id), "lock"]
    with site.client("emil") as client:
        page = client.get(f"/banks/candidates/{made.id}")
    assert (page.status_code, "<circle" in page.text) == (200, True)


def test_a_database_that_is_away_a_while_does_not_end_a_calibration(site: ReviewSite) -> None:
    """How far it is is told to a database that nobody can write meanwhile."""
    busy = sqlite3.connect(sqlite_file(site.engine.url) or "", isolation_level=None)

    def and_meanwhile(items: Sequence[T], label: str, /) -> Iterable[T]:
        if label == "reading samples":
            busy.execute("BEGIN IMMEDIATE")
            yield from items
            busy.execute("ROLLBACK")
        else:
            yield from items

    made = calibrate_anew(
        site.settings, site.engine, STATION, Asked(max_false_reject=0.1), by="emil", track=and_meanwhile
    )
    busy.close()
    assert made.state == "shadowed", made.document


def test_of_two_who_begin_at_once_one_is_told_that_the_other_did(site: ReviewSite) -> None:
    def begin(by: str) -> int | str:
        try:
            return start_calibration(site.settings, site.engine, STATION, Asked(finetune=True), by=by)
        except SamplesError as error:
            return str(error)

    with ThreadPoolExecutor(2) as pool:
        number, said = sorted(pool.map(begin, ("emil", "ada")), key=str)
    assert (number, "is being made already" in str(said)) == (1, True)
    stop(site.settings, site.engine, Candidates(site.engine).get(1), by="emil")
    ended(site, 1)
    assert [one.id for one in Candidates(site.engine).of(STATION)] == [1]


@pytest.mark.faults
def test_a_candidate_whose_process_was_killed_has_failed_also_while_the_next_one_is_made(site: ReviewSite) -> None:
    def begun() -> int:
        return start_calibration(site.settings, site.engine, STATION, Asked(finetune=True), by="emil")

    killed, lock = begun(), candidates_folder(site.settings, STATION) / "lock"
    holder_of(lock).kill()
    wait_until(lambda: not is_running(site.settings, STATION), "its process is gone")
    following = begun()
    with site.client("emil") as client:
        told = [client.get(f"/banks/candidates/{number}/progress").json()["state"] for number in (killed, following)]
        assert told == ["failed", "building"]
        assert "its process ended before it was done" in client.get(f"/banks/candidates/{killed}").text
        assert client.get("/banks").text.count('class="working"') == 1
    stop(site.settings, site.engine, Candidates(site.engine).get(following), by="emil")
    ended(site, following)


@pytest.mark.faults
def test_a_folder_of_candidates_that_cannot_be_written_is_told(site: ReviewSite) -> None:
    folder = site.settings.data_dir / "candidates"
    folder.write_text("a file where the folder should be")
    with site.client("emil") as client:
        answer = client.post("/samples/calibrate", data={"budget": "10"})
    assert (answer.status_code, "cam1: cannot be written" in answer.text) == (400, True)
    folder.unlink()


@pytest.mark.faults
def test_a_full_disk_is_told_and_nothing_is_left(site: ReviewSite) -> None:
    """The bank does not fit; what was begun is cleared away."""
    with files_no_larger_than(600_000), pytest.raises(BankError, match="is the disk full"):
        calibrate_anew(site.settings, site.engine, STATION, Asked(max_false_reject=0.1), by="emil")
    made = Candidates(site.engine).of(STATION)[0]
    assert (made.state, "is the disk full" in made.document["fault"]) == ("failed", True)
    assert [entry.name for entry in candidates_folder(site.settings, STATION).iterdir()] == ["lock"]
