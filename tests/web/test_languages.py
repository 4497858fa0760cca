"""Which language an answer is in, and what stays English in all of them."""

import json
import re
import time
from collections.abc import Iterator
from gettext import NullTranslations

import httpx
import pytest
from line import drawn_part
from pages import HOSTILE, Page
from review_site import PASSWORD, ReviewSite

from inspector.errors import frame_error_reasons
from inspector.settings.sections import ReviewSettings
from inspector.store import Role
from inspector.types import Drop
from inspector.web.absence import placeholder
from inspector.web.glossary import PLANT_WORDS, REASONS, plant_word
from inspector.web.languages import NAMES, Language, chosen, open_languages
from inspector.web.message import Counted, Message
from inspector.web.script_words import script_words


@pytest.mark.parametrize(
    ("accepted", "code"),
    [
        ("de-DE,de;q=0.9,en-US;q=0.8,en;q=0.7", "de"),
        ("de-AT", "de"),
        ("DE", "de"),
        ("es-MX,es;q=0.9", "es"),
        ("fr-CA;q=0.3, es;q=0.8", "es"),
        ("zh", "zh-Hans"),
        ("zh-CN,zh;q=0.9", "zh-Hans"),
        ("zh-SG", "zh-Hans"),
        ("zh-Hans-CN", "zh-Hans"),
        ("zh-TW", "en"),
        ("zh-Hant-HK,fr;q=0.5", "fr"),
        ("en-GB,de;q=0.9", "en"),
        ("pl,cs;q=0.9,de;q=0.8", "de"),
        ("pl", "en"),
        ("", "en"),
        ("*", "en"),
        ("de;q=0,fr;q=0.1", "fr"),
        ("de;q=much,fr;q=0.1", "fr"),
        ("de;q=nan", "en"),
        (";;;,,-,--,q=1", "en"),
    ],
)
def test_the_browser_is_asked_in_its_order(accepted: str, code: str) -> None:
    assert chosen(None, accepted, NAMES) == code


def test_a_header_that_never_ends_takes_no_time() -> None:
    begin = time.thread_time()
    assert chosen(None, "de," + "x-" * 30_000, NAMES) == "de"
    assert chosen(None, "x-" * 30_000, NAMES) == "en"
    assert time.thread_time() - begin < 0.1


def test_why_there_is_no_picture_fits_its_place_in_chinese() -> None:
    lines = re.findall(r"<tspan[^>]*>([^<]*)</tspan>", placeholder("未存档：合格零件仅随机抽样存档。" * 2).decode())
    assert "".join(lines) == "未存档：合格零件仅随机抽样存档。" * 2
    assert max(map(len, lines)) <= 13


def test_what_was_chosen_wins_where_there_is_such_a_language() -> None:
    assert chosen("fr", "de", NAMES) == "fr"
    assert chosen("en", "de", NAMES) == "en"
    for other in ("", "pl", "../de", "zh"):
        assert chosen(other, "de", NAMES) == "de"


def test_a_message_is_english_until_it_is_shown() -> None:
    class German(NullTranslations):
        def gettext(self, message: str) -> str:
            return {"defect": "Fehler", "%(what)s, %(share)s": "%(share)s: %(what)s"}[message]

        def ngettext(self, one: str, many: str, number: int) -> str:
            assert (one, many) == ("a minute", "%(number)s minutes")
            return "eine Minute" if number == 1 else "%(number)s Minuten"

    text = Message("%(what)s, %(share)s", what=Message("defect"), share="100 %")
    assert text == "defect, 100 %"
    german = Language("de", "Deutsch", German())
    assert german.text(text) == "100 %: Fehler"
    assert german.text("%(no) message, of the plant itself") == "%(no) message, of the plant itself"
    assert [Counted("a minute", "%(number)s minutes", n) for n in (1, 2)] == ["a minute", "2 minutes"]
    assert [german.text(Counted("a minute", "%(number)s minutes", n)) for n in (1, 2)] == ["eine Minute", "2 Minuten"]


def test_nothing_in_a_translation_ends_the_block_for_scripts() -> None:
    class Hostile(NullTranslations):
        def gettext(self, message: str) -> str:
            return f"</script><script>alert(1)</script><!--\u2028&{message}"

        def ngettext(self, one: str, many: str, number: int) -> str:
            return self.gettext(one if number == 1 else many)

    block = str(script_words(Language("xx", "X", Hostile())))
    assert "\\u003c/script\\u003e" in block
    assert not set(block) & set("<>&\u2028")
    assert script_words(Language("en", "English", NullTranslations())) is None


def test_a_form_for_millions_alone_is_no_hindrance() -> None:
    class Italian(NullTranslations):
        def info(self) -> dict[str, str]:
            return {"plural-forms": "nplurals=3; plural=(n == 1 ? 0 : n != 0 && n % 1000000 == 0 ? 1 : 2);"}

        def ngettext(self, one: str, many: str, number: int) -> str:
            return f"{one} or {many}: {number == 1}"

    said = json.loads(str(script_words(Language("it", "Italiano", Italian()))))
    assert said["plural"][:4] == "2022"
    assert said["texts"]["%(number)s decided."] == {
        "0": "%(number)s decided. or %(number)s decided.: True",
        "2": "%(number)s decided. or %(number)s decided.: False",
    }


@pytest.fixture
def german(site: ReviewSite) -> Iterator[httpx.Client]:
    with site.client("olga") as olga:
        olga.headers["accept-language"] = "de-DE,de;q=0.9,en;q=0.8"
        yield olga


def test_an_english_browser_is_given_no_texts_it_does_not_need(site: ReviewSite) -> None:
    with site.client(None) as stranger:
        answer = stranger.get("/login", headers={"accept-language": "en-US,en;q=0.9"})
    assert '<html lang="en">' in answer.text
    assert "application/json" not in answer.text
    assert answer.headers["vary"] == "accept-language, cookie"


def test_the_choice_is_kept_by_the_browser_and_leads_back(site: ReviewSite) -> None:
    with site.client(None) as stranger:
        stranger.headers["accept-language"] = "de"
        page = Page(stranger.get("/login?next=%2Fframe%2F1%3Fstation%3Da&unsent=yes").text)
        assert "Die Sitzung ist beendet. Das Gesendete wurde nicht gespeichert" in page.text
        [back] = [str(said["value"]) for said in page.all("input") if said.get("name") == "back"]
        choices = [(said["value"], said["lang"]) for said in page.all("button") if said.get("name") == "language"]
        assert choices == [(code, code) for code in NAMES]
        assert [said["value"] for said in page.all("button") if said.get("aria-current")] == ["de"]
        answer = stranger.post("/language", data={"language": "es", "back": back})
        assert answer.status_code == 303
        cookie = answer.headers["set-cookie"].lower()
        assert "language=es" in cookie
        assert "samesite=lax" in cookie
        assert "httponly" in cookie
        spanish = stranger.get(answer.headers["location"]).text
        assert '<html lang="es">' in spanish
        assert "La sesión ha terminado. Lo enviado no se registró" in spanish
        assert 'name="next" value="/frame/1?station=a"' in spanish
        for language, expected in (("en", '<html lang="en">'), ("zh-Hans", '<html lang="zh-Hans">')):
            stranger.post("/language", data={"language": language, "back": "/login"})
            assert expected in stranger.get("/login").text
        refused = stranger.post("/language", data={"language": "pl", "back": "/login"})
        assert refused.status_code == 400
        assert '<html lang="zh-Hans">' in stranger.get("/login").text


@pytest.mark.parametrize(
    "back", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:x", "http://["]
)
def test_the_choice_leads_to_no_other_site(site: ReviewSite, back: str) -> None:
    with site.client(None) as stranger:
        assert stranger.post("/language", data={"language": "de", "back": back}).headers["location"] == "/"
        forged = {"sec-fetch-site": "cross-site"}
        answer = stranger.post("/language", data={"language": "de", "back": "/"}, headers=forged)
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


def test_logging_in_goes_wrong_in_german(site: ReviewSite) -> None:
    site.accounts.create("willi", PASSWORD, Role.VIEWER, by="ada")
    with site.client(None) as stranger:
        stranger.headers["accept-language"] = "de"
        for _ in range(5):
            answer = stranger.post("/login", data={"name": "willi", "password": "x", "next": "/line"})
            assert "Name oder Passwort ist falsch." in answer.text
        assert 'value="/login?next=%2Fline"' in answer.text
        answer = stranger.post("/login", data={"name": "willi", "password": "x"})
    assert answer.status_code == 429
    assert "Bitte in 5 Minuten erneut versuchen." in answer.text


def test_errors_are_said_in_german_to_people_and_in_english_to_machines(site: ReviewSite, german: httpx.Client) -> None:
    page = german.get("/frame/999999")
    assert page.status_code == 404
    assert "Nicht gefunden" in page.text
    assert "Es gibt keine Aufnahme 999999" in page.text
    assert "Dafür ist die Rolle „Administrator“ nötig; olga hat die Rolle „Bediener“." in german.get("/accounts").text
    for path in ("/api/v1/frames/999999", "/api/v1/frames/999999/picture"):
        said = german.get(path).json()["error"]
        assert said == "There is no frame 999999: it has had its time and was removed, or has no verdict."
    machine = german.get("/frame/999999/panel", headers={"accept": "application/json"})
    assert machine.json()["error"].startswith("There is no frame 999999")
    core = german.get("/?since=never").text
    assert '<p lang="en">since: got &#39;never&#39;' in core
    text = german.get("/frame/999999/thumbnail").text
    assert "Diese Aufnahme wurde nach" in text


def test_parts_of_a_page_are_in_its_language(site: ReviewSite, german: httpx.Client) -> None:
    frame = site.add()
    lost = site.add(kept=False)
    script = {"accept": "application/json"}
    assert "Unklar" in german.get(f"/frame/{frame}/panel", headers=script).text
    near = german.get(f"/frame/{frame}/nearest", headers=script).text
    assert "Auffälliger Ausschnitt 1" in near
    assert "zeigt, wo sie liegen" in near
    assert "Ohne das Bild lässt sich nicht sagen" in german.get(f"/frame/{lost}/nearest", headers=script).text
    assert "Nicht archiviert: Das Archiv war voll" in german.get(f"/frame/{lost}").text


def test_words_of_the_plant_are_never_markup_in_any_language(site: ReviewSite, german: httpx.Client) -> None:
    for word in (*HOSTILE, "100 % %(name)s %s"):
        frame = site.add(drawn_part(4), part_id=word, kept=False, frame_id=f"of {word}")
        for path, params in ((f"/frame/{frame}", {}), ("/find", {"part": word}), ("/", {"part": word, "state": "all"})):
            answer = german.get(path, params=params)
            assert answer.status_code == 200
            page = Page(answer.text)
            assert "alert(1)" not in "".join(str(said) for said in page.all("script"))
            assert not [said for said in page.all("img") if said.get("onerror")]
        assert " ".join(f"Teil {word}".split()) in Page(german.get("/find", params={"part": word}).text).text


def test_each_default_defect_type_and_shift_has_a_word_in_every_language() -> None:
    defaults = ReviewSettings()
    words = {*defaults.defect_types, *defaults.shifts}
    assert set(PLANT_WORDS) == words
    for language in open_languages().values():
        said = {word: language.text(plant_word(word)) for word in words}
        assert "" not in said.values()
        assert (said["dent"] == "dent") is (language.code == "en")
        assert language.text(plant_word("Scratch, long")) == "Scratch, long"


def test_every_reason_of_the_contract_is_said_in_words() -> None:
    assert set(REASONS) == {*frame_error_reasons(), *Drop}
    for language in open_languages().values():
        said = [language.text(reason) for reason in REASONS.values()]
        assert "" not in said
        assert len(set(said)) == len(said)


def test_default_defect_types_are_shown_in_german_and_recorded_as_they_are(
    site: ReviewSite, german: httpx.Client
) -> None:
    frame = site.add()
    site.reviews.dispose(frame, to="defect", defect_type="dent", reviewer="emil", version=0)
    page = Page(german.get(f"/frame/{frame}").text)
    assert "Delle" in page.text
    assert "dent" in [said.get("data-type") for said in page.all("button")]
    assert "Delle" in Page(german.get("/", params={"state": "done", "defect_type": "dent"}).text).text
    assert "Delle" in Page(german.get("/find", params={"part": f"part-{frame}"}).text).text
    assert german.get(f"/api/v1/frames/{frame}").json()["defect_type"] == "dent"


def test_engineers_pages_are_english_and_say_so(site: ReviewSite) -> None:
    with site.client("ada") as ada:
        ada.headers["accept-language"] = "fr"
        for path in ("/figures", "/thresholds", "/banks", "/audit", "/accounts"):
            page = Page(ada.get(path).text)
            assert [said["lang"] for said in page.all("html")] == ["fr"]
            assert [said.get("lang") for said in page.all("main")] == ["en"], path
            assert "Déconnexion" in page.text
            assert "Seuils" in page.text
        assert [said.get("lang") for said in Page(ada.get("/line").text).all("main")] == [None]
