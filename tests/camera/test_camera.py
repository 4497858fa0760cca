"""Sources of frames, and what a camera station refuses before it connects."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path
from string import Template
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import pytest
from listening import STATION, listening_line, options
from pictures import with_opencv
from services import DEADLINE_S, Mosquitto, as_nobody, wait_until
from streaming import serving, streaming

from inspector.camera import CameraOptions, SourceError, SourceLostError, open_source, publish
from inspector.camera.capture import Capture
from inspector.camera.live import LiveSource
from inspector.errors import BrokerError, InspectorError, SamplesError, UsageError
from inspector.folder import image_files
from inspector.frame import decode
from inspector.settings import BrokerSettings


def picture(path: Path, value: int = 90) -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((20, 30, 3), value, np.uint8))
    return path.read_bytes()


def video(path: Path, frames: int = 5) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    for number in range(frames):
        writer.write(np.full((48, 64, 3), 40 * number, np.uint8))
    writer.release()
    return path


def test_a_folder_is_read_recursively_in_order_and_as_it_is(tmp_path: Path) -> None:
    expected = {
        name: picture(tmp_path / name, index)
        for index, name in enumerate(("a.png", "good/1.jpg", "good/2.JPEG", "good/3.tiff", "z/4.bmp"))
    }
    (tmp_path / "broken.png").write_bytes(b"not an image")
    (tmp_path / "notes.txt").write_text("no image")
    picture(tmp_path / ".cache" / "hidden.png")
    picture(tmp_path / "ground_truth" / "scratch" / "mask.png")
    picture(tmp_path / "Data" / "Masks" / "Anomaly" / "mask.png")
    with open_source(str(tmp_path)) as source:
        shots = list(source.shots())
        assert source.fps is None
    assert [shot.part_id for shot in shots] == sorted([*expected, "broken.png"])
    assert {shot.part_id: shot.image for shot in shots} == {**expected, "broken.png": b"not an image"}
    assert [shot.content_type for shot in shots] == [
        "image/png",
        "image/png",
        "image/jpeg",
        "image/jpeg",
        "image/tiff",
        "image/bmp",
    ]


def test_masks_beside_frames_are_no_frames_and_told(tmp_path: Path) -> None:
    photograph = np.random.default_rng(0).integers(0, 256, (40, 40), np.uint8)
    mask = np.zeros((40, 40), np.uint8)
    mask[10:20, 10:20] = 255
    for name, pixels in (
        ("x.png", photograph),
        ("x_mask.png", mask),
        ("y.png", photograph),
        ("y_mask.png", photograph),
    ):
        cv2.imwrite(str(tmp_path / name), pixels)
    notices: list[str] = []
    with open_source(str(tmp_path), on_notice=notices.append) as source:
        assert [shot.part_id for shot in source.shots()] == ["x.png", "y.png", "y_mask.png"]
    assert notices == ["left out, masks of frames: 1, such as x_mask.png"]


def test_pictures_behind_links_are_published_as_they_are_calibrated_with(tmp_path: Path) -> None:
    picture(tmp_path / "elsewhere" / "1.png")
    (tmp_path / "shown").mkdir()
    (tmp_path / "shown" / "today").symlink_to(tmp_path / "elsewhere")
    with open_source(str(tmp_path / "shown")) as source:
        assert [shot.part_id for shot in source.shots()] == ["today/1.png"]


def test_a_name_that_is_no_text_is_a_part_id_all_the_same(tmp_path: Path) -> None:
    strange = os.fsdecode(os.fsencode(tmp_path) + b"/Pr\xfcf\tteil.png")
    picture(tmp_path / "a.png")
    (tmp_path / "a.png").rename(strange)
    with open_source(str(tmp_path)) as source:
        (shot,) = source.shots()
    assert shot.part_id == "Pr\N{REPLACEMENT CHARACTER}f\N{REPLACEMENT CHARACTER}teil.png"


def test_a_single_image_is_a_source(tmp_path: Path) -> None:
    image = picture(tmp_path / "one.png")
    with open_source(str(tmp_path / "one.png")) as source:
        assert [(shot.part_id, shot.image) for shot in source.shots()] == [("one.png", image)]


def test_a_file_that_goes_away_is_named_and_passed_over(tmp_path: Path) -> None:
    for name in ("a.png", "b.png", "c.png", "d.png"):
        picture(tmp_path / name)
    told: list[str] = []
    with open_source(str(tmp_path), on_notice=told.append) as source:
        shots = source.shots()
        assert next(shots).part_id == "a.png"
        (tmp_path / "b.png").unlink()
        (tmp_path / "c.png").unlink()
        (tmp_path / "c.png").mkdir()
        assert [(shot.part_id, shot.lost) for shot in shots] == [("d.png", 2)]
    assert [line.split(": ")[0] for line in told] == [f"cannot read {tmp_path / name}" for name in ("b.png", "c.png")]


def test_pictures_in_formats_that_are_not_read_are_told(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    for name in ("b.jfif", "c.JPE"):
        (tmp_path / name).write_bytes(with_opencv(np.zeros((20, 30, 3), np.uint8), ".jpg"))
    (tmp_path / "d.pgm").write_bytes(b"P5 1 1 255 x")
    told: list[str] = []
    with open_source(str(tmp_path), on_notice=told.append) as source:
        assert [(shot.part_id, shot.content_type) for shot in source.shots()][1:3] == [
            ("b.jfif", "image/jpeg"), ("c.JPE", "image/jpeg")
        ]  # fmt: skip
    assert told == [
        "left out, in formats that are not read: 1, such as d.pgm (PGM or PPM; save it as PNG, which loses nothing)"
    ]


def test_each_pass_shows_what_lies_in_the_folder_then(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    with open_source(str(tmp_path)) as source:
        assert [shot.part_id for shot in source.shots()] == ["a.png"]
        picture(tmp_path / "b.png")
        assert [shot.part_id for shot in source.shots()] == ["a.png", "b.png"]
        for path in tmp_path.iterdir():
            path.unlink()
        with pytest.raises(SourceLostError, match=r"no image in .* can be read any more"):
            list(source.shots())


def test_a_folder_that_cannot_be_read_is_not_left_out_silently() -> None:
    with TemporaryDirectory() as place:
        folder = Path(place)
        picture(folder / "open" / "a.png")
        picture(folder / "closed" / "b.png")
        folder.chmod(0o755)
        (folder / "closed").chmod(0)
        with as_nobody(), pytest.raises(SamplesError, match=r"closed: cannot be read \(Permission denied\)"):
            image_files(folder)
        (folder / "closed").chmod(0o755)
        with as_nobody():
            assert [file.name for file in image_files(folder)] == ["b.png", "a.png"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("absent", "no such file or folder"),
        ("empty", "no picture there; expected files named .bmp"),
        ("phone", r"no picture there but 1 in formats that are not read, such as a\.heic \(HEIC; save it as PNG"),
        ("phone/a.heic", "a format that is not read: HEIC; save it as PNG, which loses nothing"),
        ("noise.mp4", "cannot be opened"),
    ],
)
def test_a_source_that_is_none_is_one_clear_error(
    name: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "phone").mkdir()
    (tmp_path / "phone" / "a.heic").write_bytes(b"")
    (tmp_path / "noise.mp4").write_bytes(b"\x00" * 500)
    with pytest.raises(SourceError, match=message) as caught, open_source(name) as source:
        list(source.shots())
    assert name in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_video_whose_name_is_no_text_is_refused(tmp_path: Path) -> None:
    strange = tmp_path / os.fsdecode(b"Pr\xfcfteil.avi")
    video(tmp_path / "clip.avi").rename(strange)
    with pytest.raises(SourceError, match=r"Pr\\udcfcfteil\.avi': its name is no UTF-8"):
        open_source(str(strange)).__enter__()


def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(SourceError, match="'/dev/video97': cannot be opened"):
        open_source("/dev/video97").__enter__()


def test_a_device_that_gives_another_size_than_asked_for_is_refused(tmp_path: Path) -> None:
    clip = str(video(tmp_path / "clip.avi"))
    Capture(clip, size_wh=(64, 48)).release()
    with pytest.raises(SourceError, match=r"clip\.avi': gives 64x48 pixels, --size asks for 1920x1080; .*list-formats"):
        Capture(clip, size_wh=(1920, 1080))


def test_a_device_is_asked_for_mjpeg_and_then_for_the_size(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[int, float] = {cv2.CAP_PROP_FRAME_WIDTH: 640, cv2.CAP_PROP_FRAME_HEIGHT: 480}

    class Device:
        """None is here to try on."""

        def __init__(self, number: int) -> None:
            self.isOpened = lambda: number == 3
            self.get = asked.__getitem__
            self.set = asked.__setitem__
            self.getBackendName = lambda: "V4L2"

    monkeypatch.setattr(cv2, "VideoCapture", Device)
    Capture("3", size_wh=(1920, 1080))
    assert list(asked) == [cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT, cv2.CAP_PROP_FOURCC]
    assert list(asked.values()) == [1920, 1080, cv2.VideoWriter.fourcc(*"MJPG")]


@pytest.mark.parametrize("source", ["synthetic", "rtsp://cam:S3cret@host/1", "clip.avi"])
def test_a_size_is_asked_of_devices_alone(source: str) -> None:
    with pytest.raises(
        UsageError, match="--size 640x480: only a USB camera is asked for a size, by its number"
    ) as told:
        CameraOptions(source=source, station=STATION, size_wh=(640, 480))
    assert "S3cret" not in str(told.value)


def test_the_size_of_the_first_picture_is_told_once(tmp_path: Path, mosquitto: Mosquitto) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture")
    picture(tmp_path / "b.png")
    picture(tmp_path / "c.png")
    told: list[str] = []
    publish(options(tmp_path, mosquitto.port, fps=0), on_notice=told.append)
    assert [line for line in told if "pixels" in line] == ["pictures have 30x20 pixels"]


def test_a_video_gives_each_picture_and_its_own_rate(tmp_path: Path) -> None:
    path = video(tmp_path / "clip.avi")
    with open_source(str(path)) as source:
        shots = list(source.shots())
        assert source.fps == pytest.approx(10, rel=0.01)
    assert [shot.part_id for shot in shots] == [f"clip-{number:06d}" for number in range(5)]
    brightness = [decode(shot.image).pixels.mean() for shot in shots]
    assert brightness == pytest.approx([0, 40, 80, 120, 160], abs=6)


def test_a_video_is_read_on_behind_pictures_that_cannot_be_decoded(tmp_path: Path) -> None:
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 10, (64, 48))
    for number in range(20):
        writer.write(np.full((48, 64, 3), 10 * number, np.uint8))
    writer.release()
    content = bytearray(path.read_bytes())
    begins = [found.end() for found in re.finditer(b"00dc", content) if found.end() > content.index(b"movi")]
    for begin in (begins[number] for number in (8, 9, 18, 19)):
        size = int.from_bytes(content[begin : begin + 4], "little")
        content[begin + 4 : begin + 4 + size] = bytes(size)
    path.write_bytes(content)
    told: list[str] = []
    with open_source(str(path), on_notice=told.append) as source:
        shots = list(source.shots())
    assert [shot.part_id for shot in shots] == [f"clip-{number:06d}" for number in (*range(8), *range(10, 18))]
    assert [shot.lost for shot in shots] == [0] * 8 + [2] + [0] * 7
    assert told == [f"{path}: 16 of its 20 pictures could be decoded"]


def test_a_live_source_tells_when_it_ends(tmp_path: Path) -> None:
    source = LiveSource(str(video(tmp_path / "clip.avi")))
    with source, pytest.raises(SourceLostError, match="the stream ended"):
        list(source.shots())


@pytest.fixture
def clip_at(tmp_path: Path) -> Iterator[str]:
    """Host and port of a network camera, whose stream `clip.avi` ends."""
    video(tmp_path / "clip.avi")
    with serving(tmp_path) as at:
        yield at


@pytest.mark.parametrize(
    ("address", "watch", "message"),
    [
        ("http://cam:S3cret@{at}/clip.avi", False, "the stream ended"),
        ("http://cam:p@S3cret@{at}/absent.avi?to=a@b", False, "cannot be opened as video"),
        ("http://cam:S3cret@{at}/\udcfc.avi", False, "its name is no UTF-8"),
        ("http://cam:S3cret@{at}/clip.avi", True, "--watch expects a folder"),
    ],
)
def test_the_password_in_an_address_is_in_no_message(
    clip_at: str, mosquitto: Mosquitto, capfd: pytest.CaptureFixture[str], address: str, watch: bool, message: str
) -> None:
    asked = options(address.format(at=clip_at), mosquitto.port, watch=watch)
    with pytest.raises(InspectorError, match=message) as caught:
        publish(asked, on_notice=print)
    assert f"http://***@{clip_at}/" in str(caught.value)
    assert "S3cret" not in str(caught.value) + "".join(capfd.readouterr())


def test_the_unit_of_a_camera_station_shows_its_password_to_no_other_user(mosquitto: Mosquitto) -> None:
    unit = Path(__file__).parents[2] / "configs" / "systemd" / "inspector-camera@.service"
    (run,) = re.findall(r"^ExecStart=\S+/inspector (.*)$", unit.read_text(), re.MULTILINE)
    picture = with_opencv(np.full((48, 64, 3), 90, np.uint8), ".jpg")
    with streaming(repeat(repeat(picture))) as (address, _), listening_line(mosquitto.port) as line:
        source = address.replace("://", "://cam:S3cret@")
        given = {"SOURCE": source, "ARGUMENTS": f"--station {STATION} --broker 127.0.0.1:{mosquitto.port}"}
        station = subprocess.Popen(
            [sys.executable, "-m", "inspector", *Template(run).substitute(given).split()],
            env={**os.environ, **given},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            wait_until(lambda: line.frames or station.poll() is not None, "the station publishes")
            shown = Path(f"/proc/{station.pid}/cmdline").read_text()
        finally:
            station.terminate()
            said, _ = station.communicate(timeout=DEADLINE_S)
    assert str(STATION) in shown
    assert "S3cret" not in shown + said
    assert station.returncode == 0, said


def test_drawn_parts_know_their_truth_and_repeat_with_a_seed() -> None:
    def first(count: int) -> list[tuple[str | None, str | None, bytes]]:
        with open_source("synthetic:cap", run="r1", seed=3, defect_rate=0.5) as source:
            return [
                (shot.part_id, shot.truth, shot.image) for shot, _ in zip(source.shots(), range(count), strict=False)
            ]

    shots = first(8)
    assert shots == first(8)
    assert [part_id for part_id, _, _ in shots] == [f"cap-r1-{number:06d}" for number in range(8)]
    assert {"good"} < {truth for _, truth, _ in shots}
    assert decode(shots[0][2]).size_wh == (384, 384)


def test_an_unknown_product_is_refused() -> None:
    with pytest.raises(UsageError, match="'gear': expected one of plate, cap"):
        open_source("synthetic:gear")


@pytest.mark.parametrize(
    "wrong",
    [{"fps": -1.0}, {"fps": float("nan")}, {"count": 0}, {"window": 0}, {"source": "synthetic", "defect_rate": 2}],
)
def test_options_that_make_no_sense_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        publish(CameraOptions(**{"source": "synthetic", "station": STATION, **wrong}))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["lot", "recipe"])
@pytest.mark.parametrize("wrong", ["", "x" * 129, "A\n7"])
def test_a_word_that_would_make_an_error_of_every_frame_is_refused(name: str, wrong: str) -> None:
    with pytest.raises(UsageError, match=f"--{name}: got .*, expected 1 to 128 characters, none a control character"):
        CameraOptions(**{"source": "synthetic", "station": STATION, name: wrong})  # type: ignore[arg-type]


@pytest.mark.parametrize(("host", "told"), [("127.0.0.1", "127.0.0.1:9"), ("::1", "[::1]:9")])
def test_a_broker_that_is_not_there_is_one_clear_error(tmp_path: Path, host: str, told: str) -> None:
    picture(tmp_path / "one.png")
    options = CameraOptions(source=str(tmp_path), station=STATION, broker=BrokerSettings(host=host, port=9))
    with pytest.raises(BrokerError, match=f"broker {re.escape(told)}: cannot be reached"):
        publish(options)
